import { hasNoBody, maxDigits, parseLength } from '../http/body-length.ts'
import type { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'

/** Where a body ends: its length in bytes (0: no body), or one of the constants below. */
export type Framing = number

/** Chunked transfer coding. */
export const CHUNKED = -1
/** The body ends with the connection; responses only. */
export const UNTIL_CLOSE = -2
/** For writing only: no body follows the head, whatever the fields announce and the owner writes. */
export const NO_BODY = -3

const badLength = new Malformed('Content-Length is not a decimal number in its shortest form')
const twoLengths = new Malformed('Content-Length occurs more than once')
const unlikeLengths = new Malformed('Content-Length is not one decimal number')
const lengthAndCoding = new Malformed('Content-Length and Transfer-Encoding are both present')
const badCoding = new Malformed('Transfer-Encoding is not "chunked"')
const unknownCoding = new Malformed('Transfer-Encoding has a coding besides "chunked"', 501)
const oldCoding = new Malformed('Transfer-Encoding in an HTTP/1.0 message')

/**
 * Where the body of a request ends (RFC 9112 §6.3). Everything that two parsers could read differently is refused:
 * repeated lengths even when equal, signs, lists, leading zeros of what could be octal, a length beside a coding, codings
 * other than chunked.
 */
export function requestFraming(version: '1.0' | '1.1', fields: Fields): Framing | Malformed {
  const framing = declared(version, fields, false, decimalEvenAsOctal)
  return framing === undefined ? 0 : framing
}

/**
 * Where the body of a response ends. Framing fields are checked just as strictly where they have no effect: in the response
 * to HEAD, and in 204 and 304.
 *
 * @param method of the request that it answers
 * @param isLenient true: what RFC 9112 does not allow, but has only one meaning, is taken, and the length is rewritten to
 *   its shortest form
 */
export function responseFraming(
  version: '1.0' | '1.1',
  fields: Fields,
  status: number,
  method: string,
  isLenient: boolean,
): Framing | Malformed {
  const framing = declared(version, fields, isLenient, isLenient ? agreedLength : undefined)
  if (framing instanceof Malformed) return framing
  if (hasNoBody(status, method)) return 0
  return framing === undefined ? UNTIL_CLOSE : framing
}

/** @param oddLength reads a length that is not in its shortest form, which it then gets in the fields */
function declared(
  version: '1.0' | '1.1',
  fields: Fields,
  isLenient: boolean,
  oddLength: ((text: string) => number | undefined) | undefined,
): Framing | Malformed | undefined {
  const { list } = fields
  let length: string | undefined
  let coding: string | undefined
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (name === 'content-length') {
      if (length !== undefined && !isLenient) return twoLengths
      length = length === undefined ? list[i + 1]! : `${length},${list[i + 1]}`
    } else if (name === 'transfer-encoding') {
      // Two lines are one list.
      coding = coding === undefined ? list[i + 1]! : `${coding}, ${list[i + 1]}`
    }
  }
  if (coding !== undefined) {
    if (length !== undefined) return lengthAndCoding
    if (version === '1.0' && !isLenient) return oldCoding
    const lower = coding.toLowerCase()
    if (lower === 'chunked') return CHUNKED
    return /^[a-z]+ *, *chunked$/.test(lower) ? unknownCoding : badCoding
  }
  if (length === undefined) return undefined
  const value = parseLength(length)
  if (value !== undefined) return value
  const odd = oddLength?.(length)
  if (odd === undefined) return isLenient ? unlikeLengths : badLength
  fields.put('content-length', `${odd}`)
  return odd
}

/** A length with leading zeros that a reader who takes them for octal reads as the same number. */
function decimalEvenAsOctal(text: string): number | undefined {
  return text.length <= maxDigits && /^0+[0-7]$/.test(text) ? Number(text) : undefined
}

/** The one length of a list of equal ones, leading zeros aside. */
function agreedLength(text: string): number | undefined {
  // `trim` takes more for whitespace than HTTP does.
  if (!/^[\d,\t ]+$/.test(text)) return undefined
  const lengths = new Set(text.split(',').map((one) => one.trim().replace(/^0+(?=\d)/, '')))
  return lengths.size === 1 ? parseLength([...lengths][0]!) : undefined
}
