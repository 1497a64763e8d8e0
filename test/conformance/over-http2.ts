import { expect } from 'vitest'
import { raw } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { data, headers } from '../http2/frames.ts'
import { type Frame, openRaw } from '../http2/raw.ts'
import type { Case } from './case.ts'
import { fence, stage } from './run-case.ts'

/** A message of HTTP/1.1, taken apart; fields are names in lower case and values in turn. */
interface Message {
  readonly first: string
  readonly fields: string[]
  readonly body: string
  readonly trailers: readonly string[]
}

/** Only HTTP/1.1 has them, in either direction. */
const ofConnections = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te'])

/** Nor do the cases say the id that is in every answer. */
const notSaid = new Set([...ofConnections, 'x-request-id'])

/** A request as a client of HTTP/2 sends it. */
export interface Translated {
  readonly head: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
}

/** The request of a case; `undefined` when it is not one request with the same meaning in both versions. */
export function translate({ client, later = [], atHead, seen, got, end }: Case): Translated | undefined {
  const [message, rest] = parse(client, undefined) ?? []
  const [, method, path] = /^(\S+) (\/\S*|\*) HTTP\/1\.1$/.exec(message?.first ?? '') ?? []
  if (message === undefined || rest !== '' || method === undefined || path === undefined) return undefined
  const { fields, body, trailers } = message
  const names = fields.filter((_, at) => at % 2 === 0)
  const hosts = names.filter((name) => name === 'host')
  const isOdd = names.some((name) => ofConnections.has(name) && name !== 'transfer-encoding')
  if (later.length > 0 || atHead !== undefined || hosts.length !== 1 || isOdd || method === 'CONNECT') return undefined
  if (seen.length > 1 || end === 'reset' || answers(got, method) === undefined) return undefined
  const host = fields[fields.indexOf('host') + 1]!
  // An empty one means nothing in HTTP/2.
  if (host === '') return undefined
  const own = without(fields, new Set(['host', 'transfer-encoding']))
  return { head: [':method', method, ':scheme', 'http', ':authority', host, ':path', path, ...own], body, trailers }
}

/** Plays a case with a raw client of HTTP/2, and compares what the backend and the client got with what the case says. */
export async function runOverHttp2(one: Case, { head, body, trailers }: Translated): Promise<void> {
  const { port, seen, clean, ours } = await stage(one, { http: ['1.1', '2'] })
  const client = await openRaw(port)
  const list = head.map(ours)
  const frames = [headers(1, list, { end: body === '' && trailers.length === 0 })]
  if (body !== '') frames.push(data(1, body, { end: trailers.length === 0 }))
  if (trailers.length > 0) frames.push(headers(1, trailers, { end: true }))
  client.send(...frames)
  const state = (): unknown => ({
    seen: seen.map((text) => asRequest(clean(text))),
    got: client.frames.filter(({ stream, name }) => stream === 1 && name !== 'DATA').map((frame) => said(frame, clean)),
    body: clean(
      client.frames
        .filter(({ name }) => name === 'DATA')
        .map(({ payload }) => payload.toString('latin1'))
        .join(''),
    ),
  })
  const wanted = answers(one.got, head[1]!)!
  const goal = {
    seen: one.seen.map((text) => asRequest(text.replace(/via: 1\.1 \{gateway\}/g, 'via: 2 {gateway}'))).map(inOrder),
    got: wanted.flatMap(({ first, fields, trailers: last }) => [
      [':status', first.slice(9, 12), ...without(fields, notSaid)],
      ...(last.length > 0 ? [last] : []),
    ]),
    body: wanted.map((message) => message.body.replaceAll(anyId, '{id}')).join(''),
  }
  // What no request can be is refused without an answer.
  const refused = { seen: [], got: ['reset 1'], body: '' }
  const mayReset = one.seen.length === 0 && /outcome:DPE/.test(one.got)
  const isPlayed = (): boolean => {
    const now = JSON.stringify(state())
    return now === JSON.stringify(goal) || (mayReset && now === JSON.stringify(refused))
  }
  await until('both sides', isPlayed, 1500).catch(() => {})
  if (!isPlayed()) expect(state()).toEqual(goal)
  expect(await raw(port, fence)).toMatch(/^HTTP\/1\.1 200 /)
  expect(isPlayed()).toBe(true)
}

function said({ fields, code }: Frame, clean: (text: string) => string): unknown {
  if (code !== undefined) return `reset ${code}`
  const lines = fields.map((text, at) => (fields[at - 1] === 'date' && text.endsWith(' GMT') ? '{date}' : clean(text)))
  return without(lines, notSaid)
}

/** What stands for an id: lengths count it. */
const anyId = '00000000-0000-0000-0000-000000000000'

/** The responses that a client of HTTP/1.1 gets: interim ones and the final one. */
function answers(text: string, method: string): readonly Message[] | undefined {
  const all: Message[] = []
  for (let left = text.replaceAll('{id}', anyId); ; ) {
    const [message, rest] = parse(left, method) ?? []
    if (message === undefined || rest === undefined) return undefined
    all.push(message)
    const status = message.first.slice(9, 12)
    if (status === '101') return undefined
    if (!status.startsWith('1')) return rest === '' ? all : undefined
    left = rest
  }
}

function asRequest(text: string): unknown {
  const [message, rest] = parse(text, undefined) ?? []
  return message === undefined ? text : { ...message, rest }
}

/** `:authority` comes first, and cookies are one line. */
function inOrder(request: unknown): unknown {
  if (typeof request !== 'object') return request
  const { fields } = request as Message
  const host = fields.indexOf('host')
  const cookies = fields.filter((_, at) => fields[at - 1] === 'cookie' && at % 2 === 1)
  const ordered = [...fields.slice(host, host + 2), ...fields.slice(0, host), ...fields.slice(host + 2)]
  const first = ordered.indexOf('cookie')
  const kept = ordered.filter((_, at) => ordered[at - (at % 2)] !== 'cookie' || at - (at % 2) === first)
  if (first !== -1) kept[first + 1] = cookies.join('; ')
  return { ...(request as Message), fields: kept }
}

/** The message that a text begins with, and what follows it. @param method of the request, for a response */
function parse(text: string, method: string | undefined): readonly [Message, string] | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const fields = lines.flatMap(asField)
  const after = text.slice(end + 4)
  const isEmpty = method === 'HEAD' || (method !== undefined && /^HTTP\/1\.1 (?:1|204|304)/.test(first))
  if (lines.some((line) => !/^[^\s:]+:/.test(line))) return undefined
  if (isEmpty) return [{ first, fields, body: '', trailers: [] }, after]
  if (fields.includes('transfer-encoding')) {
    const chunked = dechunk(after)
    return chunked && [{ first, fields, body: chunked.body, trailers: chunked.trailers }, chunked.rest]
  }
  const at = fields.indexOf('content-length')
  const length = at === -1 ? 0 : Number(fields[at + 1])
  if (Number.isNaN(length) || after.length < length) return undefined
  return [{ first, fields, body: after.slice(0, length), trailers: [] }, after.slice(length)]
}

function dechunk(text: string): { body: string; trailers: string[]; rest: string } | undefined {
  let body = ''
  for (let left = text; ; ) {
    const [line, digits = ''] = /^([\da-f]+)\r\n/i.exec(left) ?? []
    const size = Number.parseInt(digits, 16)
    if (line === undefined) return undefined
    left = left.slice(line.length)
    if (size === 0) {
      const [section] = /^(?:[^\r\n]+\r\n)*\r\n/.exec(left) ?? []
      if (section === undefined) return undefined
      const trailers = section.slice(0, -2).split('\r\n').filter(Boolean).flatMap(asField)
      return { body, trailers, rest: left.slice(section.length) }
    }
    body += left.slice(0, size)
    left = left.slice(size + 2)
  }
}

function asField(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}

function without(fields: readonly string[], names: ReadonlySet<string>): string[] {
  return fields.filter((_, at) => !names.has(fields[at - (at % 2)]!))
}
