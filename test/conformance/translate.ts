import { data, headers } from '../http2/frames.ts'
import { fieldOf } from '../http2/raw.ts'
import type { Case } from './case.ts'
import { type Message, parse, parseAll, without } from './message.ts'

/** Only HTTP/1.1 has them, in either direction. */
export const ofConnections: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** Why a case has no meaning over HTTP/2; README.md says more of each. */
export type NoMeaning =
  | 'lines'
  | 'chunks'
  | 'versions'
  | 'connections'
  | 'absolute-form'
  | 'hosts'
  | 'order'
  | 'lengths'
  | 'upgrades'
  | 'begun'

/** What a client of HTTP/2 sends: frames of one stream, or the rest of its body. */
export interface Sent {
  /** What has to come before, as the cases say it. */
  readonly after: string | undefined
  /** Of a new stream: names and values in turn. */
  readonly head: readonly string[] | undefined
  readonly body: string
  readonly trailers: readonly string[]
  readonly isEnd: boolean
}

/** What the client of a case sends in HTTP/2. */
export function requestsOf({ client, later = [], seen }: Case): readonly Sent[] | NoMeaning {
  const sent: Sent[] = []
  let left: number | undefined
  for (const { after, send } of [{ after: undefined, send: client }, ...later]) {
    if (left !== undefined && left > 0) {
      left -= send.length
      sent.push({ after, head: undefined, body: send, trailers: [], isEnd: left === 0 })
      continue
    }
    const [message, rest] = parse(send) ?? []
    if (message === undefined) return /transfer-encoding: chunked\r\n/i.test(send) ? 'chunks' : 'lines'
    const head = headOf(message, seen)
    if (!Array.isArray(head)) return head as NoMeaning
    const length = Number(fieldOf(message.fields, 'content-length') ?? 0)
    // What is behind a CONNECT is no request.
    if (rest !== '' && !message.first.startsWith('CONNECT ')) return 'order'
    // The same text says in HTTP/1.1 that more will come, and in HTTP/2 nothing does.
    const expects = fieldOf(message.fields, 'expect') !== undefined
    if (expects && !message.isWhole && message.body !== '') return 'begun'
    const isOpen = !message.isWhole && later.length > 0
    const waits = isOpen || (!message.isWhole && expects)
    left = waits ? length - message.body.length : undefined
    sent.push({ after, head, body: message.body, trailers: message.trailers, isEnd: !waits })
  }
  return sent
}

function headOf({ first, fields }: Message, seen: readonly string[]): readonly string[] | NoMeaning {
  const [, method, target, version] = /^(\S+) (\S+) (HTTP\/\S+)$/.exec(first) ?? []
  if (method === undefined || target === undefined) return 'lines'
  if (version !== 'HTTP/1.1') return 'versions'
  if (method === 'CONNECT') return [':method', method, ':authority', target]
  if (/^https?:/i.test(target)) return 'absolute-form'
  const names = fields.filter((_, at) => at % 2 === 0)
  const hosts = fields.filter((_, at) => fields[at - 1] === 'host' && at % 2 === 1)
  const [host, second] = hosts
  if ((host === '' && second === undefined) || (host !== undefined && host === second)) return 'hosts'
  const coding = fieldOf(fields, 'transfer-encoding')
  // In HTTP/2 every coding is what here only the wrong ones are: refused (RFC 9113 §8.2.2).
  const isChunked = coding === 'chunked' && !names.includes('content-length')
  if (names.includes('upgrade')) return 'upgrades'
  // Of what Connection names, `te: trailers` alone is in HTTP/2 too.
  const te = fieldOf(fields, 'te')
  const isOfConnection = names.some((name) => ofConnections.has(name) && name !== 'transfer-encoding')
  if (isOfConnection && (te !== 'trailers' || seen.length === 0)) return 'connections'
  if (te !== undefined && te !== 'trailers') return 'connections'
  const authority = host === undefined ? [] : [':authority', host]
  const own = without(fields, new Set([...ofConnections, 'host']))
  if (second !== undefined) own.push('host', second)
  if (coding !== undefined && !isChunked) own.push('transfer-encoding', coding)
  return [':method', method, ':scheme', 'http', ...authority, ':path', target, ...own]
}

/** Why a backend of HTTP/2 cannot answer what the case says; `undefined`: it can. */
export function problemOfAnswers({ backend = [], atHead = '', seen, got }: Case): NoMeaning | undefined {
  if (seen.some((text) => /\r\nupgrade: /i.test(text))) return 'upgrades'
  if (backend.some((text) => text.startsWith('HTTP/1.1 426'))) return 'upgrades'
  for (const whole of [...backend, atHead]) {
    const [text = ''] = whole.split(/\{(?:end|reset)\}/)
    if (text === '' || (whole !== text && !text.includes('\r\n\r\n'))) continue
    if (text.startsWith('HTTP/1.0')) return 'versions'
    const head = text.slice(0, text.indexOf('\r\n\r\n'))
    if (/[^\r]\n|\n[ \t]|\n[^:\r\n]*[ \t]+:/.test(head) || /\n[^:\r\n]+(?:\r|$)/.test(head)) return 'lines'
    const messages = parseAll(text, ['GET'])
    if (messages === undefined) return 'chunks'
    if (messages.filter(({ first }) => !/^HTTP\/1\.1 1(?!01)/.test(first)).length > 1) return 'order'
    const lengths = messages.flatMap(({ fields }) => fields.filter((_, at) => fields[at - 1] === 'content-length'))
    if ((lengths.length > 1 || lengths.some((length) => /^0\d|,/.test(length))) && !/outcome:UPE/.test(got))
      return 'lengths'
  }
  return undefined
}

/** How a backend of HTTP/2 says what the text says in HTTP/1.1, and how its connection ends. */
export function answerFrames(
  text: string,
  stream: number,
  method: string,
): { readonly frames: readonly Buffer[]; readonly end: string | undefined } {
  const [said = '', end] = text.split(/\{(end|reset)\}/)
  const frames: Buffer[] = []
  let isDone = false
  for (let left = said; left !== ''; ) {
    const [message, rest] = parse(left, method) ?? []
    if (message === undefined || rest === undefined) break
    const { first, fields, body, trailers, isWhole } = message
    const isInterim = /^HTTP\/1\.1 1(?!01)/.test(first)
    const isEnd = isWhole && !isInterim
    const named = (fieldOf(fields, 'connection') ?? '').toLowerCase().split(/, */)
    const list = [':status', first.slice(9, 12), ...without(fields, new Set([...ofConnections, ...named]))]
    const coding = fieldOf(fields, 'transfer-encoding')
    const isWrong = coding !== undefined && (coding !== 'chunked' || fieldOf(fields, 'content-length') !== undefined)
    if (isWrong) list.push('transfer-encoding', coding)
    frames.push(headers(stream, list, { end: isEnd && body === '' && trailers.length === 0 }))
    if (body !== '') frames.push(data(stream, body, { end: isEnd && trailers.length === 0 }))
    if (trailers.length > 0) frames.push(headers(stream, trailers, { end: true }))
    isDone ||= isEnd
    left = rest
  }
  // The end of a stream says what in HTTP/1.1 only the end of its connection says.
  return { frames, end: isDone ? undefined : end }
}
