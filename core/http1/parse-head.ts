import { hasNoBody } from '../http/body-length.ts'
import { kinds, TARGET, VALUE } from '../http/characters.ts'
import { isToken } from '../http/field-problem.ts'
import type { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import { registeredMethods } from '../http/methods.ts'
import { type Framing, requestFraming, responseFraming } from './framing.ts'
import { KnownHeads, maxKnown } from './known-heads.ts'
import { parseFields } from './parse-fields.ts'

/** Most fields of a request's head, and of a response's. */
const maxRequestFields = 200
const maxResponseFields = 500

export interface RequestHead {
  readonly method: string
  /** As sent, one character for each byte, in one of the four forms of RFC 9112 §3.2; which one has not been checked yet. */
  readonly target: string
  readonly version: '1.0' | '1.1'
  readonly fields: Fields
  readonly framing: Framing
}

export interface ResponseHead {
  readonly version: '1.0' | '1.1'
  /** 100 to 999. */
  readonly status: number
  readonly reason: string
  readonly fields: Fields
  readonly framing: Framing
}

const badLine = new Malformed('the request line is not method, target and version, with one space between')
const http2 = new Malformed('the client speaks HTTP/2')
const badTarget = new Malformed('the request target has a character that is not allowed in a URL')
const badForm = new Malformed('the request target is neither a path nor an absolute URL')
const badVersion = new Malformed('the version is not HTTP/1.0 or HTTP/1.1', 505)
const badStatusLine = new Malformed('the status line is not version, status and reason')

/** Of requests the lines behind the request line, of responses the whole head. */
const knownRequests = new KnownHeads()
const knownResponses = new KnownHeads()

/**
 * Reads the head of a request (RFC 9112 §3, §5, §6) in one pass.
 *
 * @param bytes `from` is the first byte of the request line; `to` is past the CRLF of the last line, before the empty one
 */
export function parseRequestHead(bytes: Buffer, from: number, to: number): RequestHead | Malformed {
  const text = bytes.toString('latin1', from, to)
  const space = text.indexOf(' ')
  const lineEnd = text.indexOf('\r\n')
  if (space <= 0 || space > lineEnd) return badLine
  // A constant is faster to compare later than a slice of the text.
  const method = text.startsWith('GET ') ? 'GET' : text.slice(0, space)
  if (method === 'PRI') return http2
  if (!registeredMethods.has(method) && !isToken(method)) return badLine
  let end = space + 1
  while ((kinds[bytes[from + end]!]! & TARGET) !== 0) end++
  if (end === space + 1) return badLine
  if (bytes[from + end] !== 0x20) return end === lineEnd ? badLine : badTarget
  const version = versionAt(text, end + 1)
  if (version === undefined || end + 9 !== lineEnd) {
    return /^HTTP\/\d\.\d$/.test(text.slice(end + 1, lineEnd)) ? badVersion : badLine
  }
  const target = text.slice(space + 1, end)
  if (target.charCodeAt(0) !== 0x2f && !isOtherForm(method, target)) return badForm
  // The same fields may mean something else in HTTP/1.0. A slice keeps the whole text in memory.
  const section = version === '1.1' && method !== 'CONNECT' && text.length <= maxKnown ? text.slice(lineEnd + 2) : ''
  const known = knownRequests.find(section)
  if (known !== undefined) return { method, target, version, fields: known.fields, framing: known.framing }
  const fields = parseFields(bytes, text, from, from + lineEnd + 2, to, maxRequestFields)
  if (fields instanceof Malformed) return fields
  const framing = requestFraming(version, fields)
  if (framing instanceof Malformed) return framing
  if (section !== '') knownRequests.keep(section, fields, framing)
  // RFC 9110 §9.3.6: a CONNECT has no content; what follows its head belongs to the tunnel.
  return { method, target, version, fields, framing: method === 'CONNECT' ? 0 : framing }
}

/**
 * Reads the head of a response (RFC 9112 §4, §5, §6) in one pass; `from` and `to` as for a request.
 *
 * @param method of the request that it answers: it decides whether a body follows
 * @param isLenient see `responseFraming`. Default: false.
 */
export function parseResponseHead(
  bytes: Buffer,
  from: number,
  to: number,
  method: string,
  isLenient: boolean = false,
): ResponseHead | Malformed {
  const text = bytes.toString('latin1', from, to)
  const version = versionAt(text, 0) ?? (isLenient ? laterVersion(text) : undefined)
  const lineEnd = text.indexOf('\r\n')
  const status = version === undefined || text.charCodeAt(8) !== 0x20 ? 0 : statusAt(text, 9)
  if (version === undefined || status < 100) return badStatusLine
  // The space before an empty reason is often left out.
  if (lineEnd !== 12 && text.charCodeAt(12) !== 0x20) return badStatusLine
  const mayBeKnown = !isLenient && text.length <= maxKnown
  const known = mayBeKnown ? knownResponses.find(text) : undefined
  if (known !== undefined) {
    const framing = hasNoBody(status, method) ? 0 : known.framing
    return { version, status, reason: text.slice(13, lineEnd), fields: known.fields, framing }
  }
  for (let i = 13; i < lineEnd; i++) if ((kinds[bytes[from + i]!]! & VALUE) === 0) return badStatusLine
  const fields = parseFields(bytes, text, from, from + lineEnd + 2, to, maxResponseFields)
  if (fields instanceof Malformed) return fields
  const framing = responseFraming(version, fields, status, method, isLenient)
  if (framing instanceof Malformed) return framing
  // Of a response without a body the framing is not known.
  if (mayBeKnown && !hasNoBody(status, method)) knownResponses.keep(text, fields, framing)
  return { version, status, reason: text.slice(13, lineEnd), fields, framing }
}

/** RFC 9112 §3.2: absolute-form, asterisk-form, and for CONNECT authority-form; checks the characters only. */
function isOtherForm(method: string, target: string): boolean {
  if (method === 'CONNECT') return /^[\w.:[\]-]+$/.test(target)
  return target === '*' || /^[a-z]+:\/\/[\w.:[\]-]+(?:[/?]|$)/i.test(target)
}

/** The status; 0 when the text does not have three digits there. */
function statusAt(text: string, at: number): number {
  let status = 0
  for (let i = at; i < at + 3; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (!(digit >= 0 && digit <= 9)) return 0
    status = status * 10 + digit
  }
  return status
}

/** The version at this position: eight characters. */
function versionAt(text: string, at: number): '1.0' | '1.1' | undefined {
  if (text.startsWith('HTTP/1.1', at)) return '1.1'
  return text.startsWith('HTTP/1.0', at) ? '1.0' : undefined
}

/** A later minor version is read as the latest known one (RFC 9110 §2.5). */
function laterVersion(text: string): '1.1' | undefined {
  return /^HTTP\/1\.[2-9] /.test(text) ? '1.1' : undefined
}
