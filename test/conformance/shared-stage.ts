import type { Socket } from 'node:net'
import { afterAll } from 'vitest'
import { tcpBackend } from '../helpers/backend.ts'
import { type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { headers } from '../http2/frames.ts'
import { type Frame, fieldOf, RawPeer } from '../http2/raw.ts'
import type { Case } from './case.ts'
import { configOf, nextAnswer, playBackend, type Script, scriptOf, wordsOf } from './run-case.ts'
import { answerFrames } from './translate.ts'

export type Version = 'h1' | 'h2'

/** A request as a backend of HTTP/2 got it. */
interface SeenRequest {
  readonly peer: RawPeer
  readonly stream: number
}

/** What a backend of either version does, and what it has been sent. */
export interface HttpScript extends Script {
  readonly requests: SeenRequest[]
}

/** A gateway that takes both versions, and its backend of one: cases with the same configuration take turns. */
export interface SharedStage {
  readonly port: number
  readonly clean: (text: string) => string
  readonly ours: (text: string) => string
  /** Puts a case on, with no connection to the backend. */
  readonly begin: (one: Case) => HttpScript
  /** Ends all connections to the backend, and waits until the gateway has ended its side. */
  readonly clear: () => Promise<void>
}

/**
 * Gateways of the file, by what the cases and the backend's version ask of them; ended after its last test.
 *
 * @param listener what each listener has besides what its case says
 */
export function shareStages(
  listener: { [key: string]: Json } = {},
): (one: Case, backend: Version) => Promise<SharedStage> {
  const stages = new Map<string, Promise<SharedStage>>()
  const ends: (() => Promise<void> | void)[] = []
  afterAll(async () => {
    for (const end of ends.reverse()) await end()
  })
  return (one, backend) => {
    const key = `${backend} ${JSON.stringify(one.config ?? {})}`
    let stage = stages.get(key)
    if (stage === undefined) {
      stage = start(one, backend, listener, (end) => void ends.push(end))
      stages.set(key, stage)
    }
    return stage
  }
}

async function start(
  one: Case,
  version: Version,
  listener: { [key: string]: Json },
  onFinished: (end: () => Promise<void> | void) => void,
): Promise<SharedStage> {
  let script: HttpScript = { ...scriptOf(one), requests: [] }
  const onSocket = (socket: Socket): void => {
    if (version === 'h1') return playBackend(socket, script)
    new RawPeer(socket, false, {}, (peer, frame) => onFrame(peer, frame, script))
    socket.on('end', () => socket.end())
  }
  const { port: backend, sockets } = await tcpBackend(onSocket, undefined, onFinished)
  const upstream = version === 'h1' ? {} : { http: '2' }
  const config = configOf(one, backend, { listener, upstream })
  const { port, gateway } = await startInProcess(config, {}, onFinished)
  return {
    port: port('web'),
    ...wordsOf(gateway, port('web'), backend),
    begin: (next) => {
      script = { ...scriptOf(next), requests: [] }
      return script
    },
    clear: async () => {
      for (const socket of sockets) socket.end()
      await soon(() => sockets.size === 0)
    },
  }
}

/** Waits as short as it can, at most 1.5 s: all of it happens in this process. @returns whether the condition holds */
export async function soon(condition: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < 100; turn++) {
    if (condition()) return true
    await new Promise((resolve) => setImmediate(resolve))
  }
  return until('what is expected', condition, 1500).catch(() => false)
}

/** A backend of HTTP/2 does what the case says for one of HTTP/1.1. */
function onFrame(peer: RawPeer, frame: Frame, script: HttpScript): void {
  const { name, stream, fields, isEnd } = frame
  const isHead = name === 'HEADERS' && fields[0]?.startsWith(':')
  if (isHead && fieldOf(fields, ':path') === '/fence') {
    return peer.send(headers(stream, [':status', '200'], { end: true }))
  }
  if (isHead) {
    script.requests.push({ peer, stream })
    if (script.atHead !== '') send(peer, stream, script.atHead)
  }
  if (isEnd) send(peer, stream, nextAnswer(script))
}

function send(peer: RawPeer, stream: number, text: string): void {
  const head = peer.frames.find((frame) => frame.stream === stream && frame.name === 'HEADERS')
  const { frames, end } = answerFrames(text, stream, fieldOf(head?.fields ?? [], ':method') ?? '')
  peer.send(...frames)
  if (end === 'end') peer.socket.end()
  else if (end === 'reset') peer.socket.resetAndDestroy()
}
