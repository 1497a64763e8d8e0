import type { Socket } from 'node:net'
import { expect } from 'vitest'
import type { Gateway } from '../../core/gateway.ts'
import { isOverTls, open, raw } from '../helpers/client.ts'
import { httpConfig, type Json } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect } from '../http1/raw-backend.ts'
import type { Case } from './case.ts'
import { type SharedStage, soon } from './shared-stage.ts'
import { empty, head } from './text.ts'

/** The last thing that goes through the gateway: whatever else was on its way has arrived by then. */
export const fence: string = head('GET /fence HTTP/1.1', 'host: fence', 'connection: close')

/** What a backend does, and what it has been sent. */
export interface Script {
  /** What it sends for each complete request, in order; the last for all that follow. */
  readonly answers: readonly string[]
  /** What it sends as soon as it has a head. */
  readonly atHead: string
  /** How many requests it has answered. */
  answered: number
  /** Every byte that each connection has brought, in order of connecting. */
  readonly seen: string[]
}

export function scriptOf({ backend: answers = [empty], atHead = '' }: Case): Script {
  return { answers, atHead, answered: 0, seen: [] }
}

/** A connection of a backend of HTTP/1.1. */
export function playBackend(socket: Socket, script: Script): void {
  let index = -1
  let text = ''
  let from = 0
  let heads = 0
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    if (text.startsWith('GET /fence ', from)) return void (text.endsWith('\r\n\r\n') && socket.end(empty))
    if (index === -1) index = script.seen.push('') - 1
    script.seen[index] = text
    if (text.indexOf('\r\n\r\n', from) !== -1 && heads <= from) {
      heads = text.length
      socket.write(script.atHead)
    }
    for (let length = lengthOf(text.slice(from)); length > 0; length = lengthOf(text.slice(from))) {
      from += length
      answer(socket, nextAnswer(script))
    }
  })
  socket.on('end', () => socket.end())
}

export function nextAnswer(script: Script): string {
  return script.answers[Math.min(script.answered++, script.answers.length - 1)]!
}

/** The configuration of a case. @param more what listener and upstream have besides what the case says */
export function configOf(
  { config = {} }: Case,
  backend: number,
  more: { readonly listener?: Values; readonly upstream?: Values } = {},
): Json {
  const web = { ...(config.listeners?.web as Values | undefined), ...more.listener }
  const app = { ...(config.upstreams?.app as Values | undefined), ...more.upstream }
  const sections = {
    ...config,
    listeners: { ...config.listeners, web },
    // The fence has a route of its own, so that no case can be in its way.
    routes: { ...config.routes, fence: { listener: 'web', match: { host: 'fence' }, upstream: 'app' } },
    upstreams: { ...config.upstreams, app },
  }
  return JSON.parse(JSON.stringify(httpConfig([backend], sections)).replace('{backend}', `${backend}`)) as Json
}

type Values = { [key: string]: Json }

/** What differs from run to run is replaced by the words of the cases, and the other way round. */
export interface Words {
  readonly clean: (text: string) => string
  readonly ours: (text: string) => string
}

/** Puts the words of the cases for what differs from run to run, and back. */
export function wordsOf(gateway: Gateway, port: number, backend: number): Words {
  const { pseudonym } = gateway.snapshot.via
  const clean = (text: string): string =>
    text
      .replace(/date: \w{3}, [\w :]+ GMT\r\n/g, 'date: {date}\r\n')
      .replace(/\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b/g, '{id}')
      .replaceAll(pseudonym, '{gateway}')
      .replace(new RegExp(`(ost|:authority): 127\\.0\\.0\\.1:${backend}\\r\\n`, 'g'), '$1: {backend}\r\n')
      .replaceAll(`x-forwarded-port: ${port}\r\n`, 'x-forwarded-port: {port}\r\n')
  return { clean, ours: (text) => text.replaceAll('{gateway}', pseudonym) }
}

/** Plays a case with a raw client and a raw backend, and compares what each of them got, byte for byte. */
export async function runCase(one: Case, stage: SharedStage): Promise<void> {
  try {
    await runOn(one, stage)
  } finally {
    await stage.clear()
  }
}

async function runOn(one: Case, { port, clean, ours, begin }: SharedStage): Promise<void> {
  const { client, later = [], seen: wanted, got: wish, end = 'open' } = one
  const { seen } = begin(one)
  const socket = await open(port)
  const got = collect(socket)
  socket.write(withScheme(ours(client)), 'latin1')
  for (const { after, send } of later) {
    await until(
      () => `"${after}" in ${JSON.stringify(got.text)}`,
      () => got.text.includes(after),
    )
    socket.write(ours(send), 'latin1')
  }
  // Every final response says it, so that the cases need not.
  const identified = /x-request-id: \{id\}\r\n/g
  const state = (): unknown => {
    return {
      seen: seen.map(clean).map(schemeless),
      got: clean(got.text).replace(identified, ''),
      end: got.end ?? 'open',
    }
  }
  const goal = { seen: wanted.map(schemeless), got: wish, end }
  await soon(() => JSON.stringify(state()) === JSON.stringify(goal))
  expect(state()).toEqual(goal)
  expect(await raw(port, fence)).toMatch(/^HTTP\/1\.1 200 /)
  expect(state()).toEqual(goal)
}

/** The cases are written for clients without TLS. */
function schemeless(text: string): string {
  return isOverTls() ? text.replace(/(x-forwarded-proto: |;proto=)https/gi, '$1http') : text
}

/** In absolute-form, where the scheme of the connection is meant. */
function withScheme(text: string): string {
  if (!isOverTls()) return text
  return text.replace(/^([A-Z]+ http)(s?):/gim, (_all, before: string, s: string) => `${before}${s === '' ? 's' : ''}:`)
}

function answer(socket: Socket, text: string): void {
  const [bytes = '', how] = text.split(/\{(end|reset)\}/)
  if (how === 'end') socket.end(bytes, 'latin1')
  else if (how === 'reset') socket.write(bytes, 'latin1', () => socket.resetAndDestroy())
  else socket.write(bytes, 'latin1')
}

/** Length of the request that the text begins with; 0 while it is incomplete. */
function lengthOf(text: string): number {
  const end = text.indexOf('\r\n\r\n') + 4
  if (end === 3) return 0
  const [, digits] = /\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, end)) ?? []
  if (digits !== undefined) return text.length >= end + Number(digits) ? end + Number(digits) : 0
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(text.slice(0, end))) return end
  const last = /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(end))
  return last === null ? 0 : end + last.index + last[0].length
}
