import { fieldOf } from '../http2/raw.ts'

/** A message of HTTP/1.1, taken apart; fields and trailers are names in lower case and values in turn. */
export interface Message {
  /** Request line or status line. */
  readonly first: string
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
  /** Whether all of its body is there. A body that ends with its connection is whole. */
  readonly isWhole: boolean
  /** Whether something says where the body ends. */
  readonly isFramed: boolean
}

/**
 * The message that a text begins with, and what follows it. Lengths that are none frame nothing: what follows is the body.
 * `undefined`: there is no whole head, or a line of it that is no field, or a chunk that is none.
 *
 * @param method of the request, for a response
 */
export function parse(text: string, method?: string): readonly [Message, rest: string] | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  if (lines.some((line) => !/^[^\s:]+:/.test(line)) || /[\r\n]/.test([first, ...lines].join(''))) return undefined
  const fields = lines.flatMap(asField)
  const after = text.slice(end + 4)
  const none = { first, fields, body: '', trailers: [], isWhole: true, isFramed: true }
  if (method === 'HEAD' || (method !== undefined && /^HTTP\/1\.1 (?:1|204|304)/.test(first))) return [none, after]
  if (fields.includes('transfer-encoding')) {
    const chunked = dechunk(after)
    return chunked && [{ ...none, ...chunked }, chunked.rest]
  }
  const length = fieldOf(fields, 'content-length')
  if (length === undefined) {
    return method === undefined ? [none, after] : [{ ...none, body: after, isFramed: false }, '']
  }
  if (!/^\d{1,15}$/.test(length)) return [{ ...none, body: after }, '']
  const body = after.slice(0, Number(length))
  return [{ ...none, body, isWhole: body.length === Number(length) }, after.slice(body.length)]
}

/** All messages of a text; `undefined`: it is not made of messages. @param methods of the requests, for responses */
export function parseAll(text: string, methods?: readonly string[]): readonly Message[] | undefined {
  const all: Message[] = []
  let final = 0
  for (let left = text; left !== ''; ) {
    const [message, rest] = parse(left, methods && (methods[final] ?? 'GET')) ?? []
    if (message === undefined || rest === undefined) return undefined
    all.push(message)
    if (!/^HTTP\/1\.1 1/.test(message.first)) final++
    left = rest
  }
  return all
}

/** The chunks that a text begins with, as many as there are. */
function dechunk(text: string): (Pick<Message, 'body' | 'trailers' | 'isWhole'> & { rest: string }) | undefined {
  let body = ''
  for (let left = text; ; ) {
    if (left === '') return { body, trailers: [], isWhole: false, rest: '' }
    const [line, digits = ''] = /^([\da-f]+)\r\n/i.exec(left) ?? []
    const size = Number.parseInt(digits, 16)
    if (line === undefined) return undefined
    left = left.slice(line.length)
    if (size === 0) {
      const [section] = /^(?:[^\r\n]+\r\n)*\r\n/.exec(left) ?? []
      if (section === undefined) return undefined
      const trailers = section.slice(0, -2).split('\r\n').filter(Boolean).flatMap(asField)
      return { body, trailers, isWhole: true, rest: left.slice(section.length) }
    }
    if (left.slice(size, size + 2) !== '\r\n') return undefined
    body += left.slice(0, size)
    left = left.slice(size + 2)
  }
}

function asField(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}

/** Of names and values in turn: those of other names. */
export function without(fields: readonly string[], names: ReadonlySet<string>): string[] {
  return fields.filter((_, at) => !names.has(fields[at - (at % 2)]!))
}
