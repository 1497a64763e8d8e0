import { expect } from 'vitest'
import { open, raw } from '../helpers/client.ts'
import { collect } from '../http1/raw-backend.ts'
import { data, headers } from '../http2/frames.ts'
import { type Frame, fieldOf, openRaw, type RawPeer } from '../http2/raw.ts'
import type { Case } from './case.ts'
import { type Message, parseAll, without } from './message.ts'
import { fence } from './run-case.ts'
import { type HttpScript, type SharedStage, soon, type Version } from './shared-stage.ts'
import { ofConnections, type Sent } from './translate.ts'

/** The cases do not say the id that is in every answer. */
const notSaid = new Set(['x-request-id'])

/** What stands for an id: lengths count it. */
const anyId = '00000000-0000-0000-0000-000000000000'

/** A response, whatever its version. */
interface Got {
  readonly status: string
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
  /** Whether its end has come. */
  readonly isWhole: boolean
}

/**
 * Plays a case between a raw client and a raw backend of which at least one speaks HTTP/2, and compares what each of them got
 * with what the case says: fields, bodies and trailers in order, and how the client's connection or stream ends.
 */
export async function play(
  one: Case,
  client: Version,
  backend: Version,
  stage: SharedStage,
  requests: readonly Sent[],
): Promise<void> {
  const script = stage.begin(one)
  try {
    await playOn(stage, script, one, client, backend, requests)
  } finally {
    await stage.clear()
  }
}

async function playOn(
  stage: SharedStage,
  script: HttpScript,
  one: Case,
  client: Version,
  backend: Version,
  requests: readonly Sent[],
): Promise<void> {
  const got = client === 'h1' ? await sayText(one, stage) : await sayFrames(requests, stage)
  // A request whose body is malformed may have begun when that is known: its stream is reset.
  const mayBeCut = one.seen.length === 0 && /outcome:DPE/.test(one.got)
  const seen = (): unknown => (backend === 'h1' ? textsSeen(script, stage) : requestsSeen(script, mayBeCut, stage))
  const state = (): unknown => ({ seen: seen(), got: got(methodsOf(one, requests)) })
  const goals = goalsOf(one, client, backend, requests).map((goal) => JSON.stringify(goal))
  const isPlayed = (): boolean => goals.includes(JSON.stringify(state()))
  if (!(await soon(isPlayed))) expect(state()).toEqual(JSON.parse(goals[0]!))
  expect(await raw(stage.port, fence)).toMatch(/^HTTP\/1\.1 200 /)
  expect(isPlayed()).toBe(true)
}

function methodsOf({ client }: Case, requests: readonly Sent[]): readonly string[] {
  if (requests.length === 0) return [client.slice(0, client.indexOf(' '))]
  return requests.flatMap(({ head }) => (head === undefined ? [] : [head[1]!]))
}

type Reading = (methods: readonly string[]) => unknown

/** A client of HTTP/1.1. */
async function sayText({ client, later = [] }: Case, { port, clean, ours }: SharedStage): Promise<Reading> {
  const socket = await open(port)
  const got = collect(socket)
  socket.write(ours(client), 'latin1')
  for (const { after, send } of later) {
    await soon(() => got.text.includes(after))
    socket.write(ours(send), 'latin1')
  }
  return (methods) => ({ responses: responsesOf(clean(got.text), methods), end: got.end ?? 'open' })
}

/** A client of HTTP/2. */
async function sayFrames(requests: readonly Sent[], { port, clean, ours }: SharedStage): Promise<Reading> {
  const client = await openRaw(port)
  let stream = -1
  for (const { after = '', head, body, trailers, isEnd } of requests) {
    await soon(() => saidBy(client).includes(after))
    const frames: Buffer[] = []
    const isLast = trailers.length === 0
    if (head !== undefined) {
      stream += 2
      frames.push(headers(stream, head.map(ours), { end: isEnd && body === '' && isLast }))
    }
    if (body !== '') frames.push(data(stream, body, { end: isEnd && isLast }))
    if (!isLast) frames.push(headers(stream, trailers, { end: isEnd }))
    client.send(...frames)
  }
  return () => {
    const streams = requests.flatMap(({ head }) => (head === undefined ? [] : [head])).map((_, at) => at * 2 + 1)
    return { responses: streams.flatMap((id) => responsesOn(client, id, clean)) }
  }
}

/** What a client got, as the cases write it. */
function saidBy(client: RawPeer): string {
  const reasons: { [status: string]: string } = { 100: 'Continue', 200: 'OK' }
  const lines = ({ fields: [, status = '', ...rest] }: Frame): string =>
    `${status} ${reasons[status] ?? ''}\r\n${rest.join('\r\n')}${rest.length > 0 ? '\r\n' : ''}\r\n`
  return client.frames
    .map((frame) =>
      frame.name === 'HEADERS' ? lines(frame) : frame.name === 'DATA' ? frame.payload.toString('latin1') : '',
    )
    .join('')
}

function responsesOn(client: RawPeer, stream: number, clean: (text: string) => string): unknown[] {
  const all: (Got | string)[] = []
  for (const frame of client.frames) {
    if (frame.stream !== stream) continue
    const last = all.at(-1)
    if (frame.name === 'HEADERS' && frame.fields[0] === ':status') {
      const fields = without(cleaned(frame.fields.slice(2), clean), notSaid)
      const isInterim = frame.fields[1]!.startsWith('1')
      all.push({ status: frame.fields[1]!, fields, body: '', trailers: [], isWhole: frame.isEnd || isInterim })
    } else if (typeof last === 'object' && (frame.name === 'HEADERS' || frame.name === 'DATA')) {
      const body = frame.name === 'DATA' ? clean(last.body + frame.payload.toString('latin1')) : last.body
      const trailers = frame.name === 'DATA' ? [] : cleaned(frame.fields, clean)
      all[all.length - 1] = { ...last, body, trailers, isWhole: frame.isEnd }
    } else if (frame.name === 'RST_STREAM' && !(typeof last === 'object' && last.isWhole))
      all.push(`reset ${frame.code}`)
  }
  return all
}

function cleaned(fields: readonly string[], clean: (text: string) => string): string[] {
  return fields.map((value, at) => {
    const name = fields[at - 1]
    return at % 2 === 0 ? value : clean(`${name}: ${value}\r\n`).slice(name!.length + 2, -2)
  })
}

/** What a backend of HTTP/1.1 has been sent, by connection. */
function textsSeen({ seen }: HttpScript, { clean }: SharedStage): unknown {
  return seen.map((text) => parseAll(clean(text)) ?? text)
}

/** What a backend of HTTP/2 has been sent, by stream. @param mayBeCut whether those that were reset do not count */
function requestsSeen({ requests }: HttpScript, mayBeCut: boolean, { clean }: SharedStage): unknown {
  return requests.flatMap(({ peer, stream }) => {
    const own = peer.frames.filter((frame) => frame.stream === stream)
    const isWhole = own.some(({ isEnd }) => isEnd)
    if (mayBeCut && !isWhole && own.some(({ name }) => name === 'RST_STREAM')) return []
    const [head, ...rest] = own.filter(({ name }) => name === 'HEADERS')
    const bodies = own.filter(({ name }) => name === 'DATA').map(({ payload }) => payload.toString('latin1'))
    const trailers = rest.flatMap(({ fields }) => fields)
    return [{ fields: cleaned(head!.fields, clean), body: bodies.join(''), trailers, isWhole }]
  })
}

/** What the case says, in the versions of both sides; either will do. */
function goalsOf(one: Case, client: Version, backend: Version, requests: readonly Sent[]): unknown[] {
  const methods = methodsOf(one, requests)
  const texts = one.seen.map((text) =>
    client === 'h2' ? text.replace(/via: 1\.1 \{gateway\}/g, 'via: 2 {gateway}') : text,
  )
  const messages = texts.map((text) => parseAll(text) ?? [])
  const ordered = client === 'h2' ? messages.map((all) => all.map(inOrder)) : messages
  const seen = backend === 'h1' ? ordered : ordered.flat().map(asFrames)
  const text = backend === 'h2' ? one.got.replace(/via: 1\.1 \{gateway\}/g, 'via: 2 {gateway}') : one.got
  const responses = responsesOf(text, methods, client)
  if (client === 'h1') return [{ seen, got: { responses, end: one.end ?? 'open' } }]
  const goal = { seen, got: { responses } }
  // What no request can be is refused without an answer.
  const mayReset = one.seen.length === 0 && /outcome:DPE/.test(one.got)
  return mayReset ? [goal, { seen, got: { responses: ['reset 1'] } }] : [goal]
}

/** The responses of a text. @param client whose they are: one of HTTP/2 gets no fields of connections */
function responsesOf(text: string, methods: readonly string[], client: Version = 'h1'): unknown {
  const messages = parseAll(text.replaceAll('{id}', anyId), methods)
  if (messages === undefined) return text
  const omitted = client === 'h2' ? new Set([...notSaid, ...ofConnections]) : notSaid
  return messages.flatMap(({ first, fields, body, trailers, isWhole }): unknown[] => {
    const response = {
      status: first.slice(9, 12),
      fields: without(fields, omitted),
      body: body.replaceAll(anyId, '{id}'),
      trailers,
      isWhole,
    }
    return client === 'h2' && !isWhole ? [response, 'reset 2'] : [response]
  })
}

/** A request as a client of HTTP/2 causes it: `:authority` comes first, and cookies are one line. */
function inOrder(request: Message): Message {
  const { fields } = request
  const host = fields.indexOf('host')
  const cookies = fields.filter((_, at) => fields[at - 1] === 'cookie' && at % 2 === 1)
  const ordered = [...fields.slice(host, host + 2), ...fields.slice(0, host), ...fields.slice(host + 2)]
  const first = ordered.indexOf('cookie')
  const kept = ordered.filter((_, at) => ordered[at - (at % 2)] !== 'cookie' || at - (at % 2) === first)
  if (first !== -1) kept[first + 1] = cookies.join('; ')
  return { ...request, fields: kept }
}

/** A request as a backend of HTTP/2 gets it. */
function asFrames({ first, fields, body, trailers, isWhole }: Message): unknown {
  const [method, path] = first.split(' ')
  const own = without(fields, new Set([...ofConnections, 'host']))
  const head = [':method', method, ':scheme', 'http', ':authority', fieldOf(fields, 'host'), ':path', path]
  return { fields: [...head, ...own], body, trailers, isWhole }
}
