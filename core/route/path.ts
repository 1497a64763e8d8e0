import { exceptionBits, type PathException } from './path-exceptions.ts'
import type { TargetProblem } from './target.ts'

const PLAIN = 0
const SLASH = 1
const ESCAPE = 2
const END = 3
const BACKSLASH = 4
const SEMICOLON = 5
const MALFORMED = 6

/**
 * What each ASCII character means in a path. Every URL parser leaves plain characters unchanged, so all of them read
 * the same path.
 */
const kinds: Uint8Array = kindsOfCharacters()

const doubleSlash: TargetProblem = ambiguous('the path has an empty segment ("//")', 'double-slash')
const dotSegment: TargetProblem = ambiguous('the path has a dot segment', 'dot-segment')
const semicolon: TargetProblem = ambiguous('the path has a ";"', 'semicolon')
const notUtf8: TargetProblem = { problem: 'the percent-encoding of the path is not UTF-8', code: 'DPE' }

/**
 * Checks the path that begins with the `/` at index `from` of `raw`. Returns the index of its end: that of the `?`, or
 * the length of `raw`.
 *
 * Refused as ambiguous (`PN`): `//`, `\`, `;`, dot segments, and percent-encoding of `/`, `\`, `;`, of control
 * characters, of letters, digits and `-._~` (so that `/%61dmin` is not taken for another path than `/admin`), and of a
 * percent sign that begins another escape. Refused as malformed (`DPE`): characters that a URL cannot contain, and
 * broken percent-encoding.
 *
 * @param allowed bits of `PathException`: ambiguities that are not refused
 */
export function scanPath(raw: string, from: number, allowed = 0): number | TargetProblem {
  let segment = from + 1
  let utf8 = false
  let i = segment
  for (; i < raw.length; i++) {
    const kind = kindAt(raw, i)
    if (kind === PLAIN) continue
    if (kind === END) break
    if (kind === SLASH) {
      if (i === segment) {
        if ((allowed & exceptionBits['double-slash']) === 0) return doubleSlash
      } else if (isDots(raw, segment, i) && (allowed & exceptionBits['dot-segment']) === 0) return dotSegment
      segment = i + 1
    } else if (kind === ESCAPE) {
      const byte = escapeAt(raw, i)
      const problem = escapeProblem(raw, i, byte, allowed)
      if (problem !== undefined) return problem
      if (byte > 0x7f) utf8 = true
      i += 2
    } else if (kind === BACKSLASH) return { problem: 'the path has a "\\"', code: 'PN' }
    else if (kind === SEMICOLON) {
      if ((allowed & exceptionBits.semicolon) === 0) return semicolon
    } else return { problem: `the path has the character ${codeOf(raw, i)}`, code: 'DPE' }
  }
  if (isDots(raw, segment, i) && (allowed & exceptionBits['dot-segment']) === 0) return dotSegment
  if (utf8 && !decodes(raw.slice(from, i))) return notUtf8
  return i
}

/** Code of the character at index `at`, in a form that is safe in a log. */
export function codeOf(raw: string, at: number): string {
  return `U+${raw.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')}`
}

function kindAt(raw: string, at: number): number {
  const code = raw.charCodeAt(at)
  return code < 128 ? kinds[code]! : MALFORMED
}

/**
 * Whether a segment is a dot segment. With percent-encoded dots it is one too, even where they are allowed as escapes.
 */
function isDots(raw: string, from: number, to: number): boolean {
  const length = to - from
  if (length === 1 || length === 2) return raw[from] === '.' && raw[to - 1] === '.'
  return length >= 3 && length <= 6 && /^(?:\.|%2e){1,2}$/i.test(raw.slice(from, to))
}

/** The byte of the escape at index `at`; -1 when it is not a valid escape. */
function escapeAt(raw: string, at: number): number {
  const high = hexAt(raw, at + 1)
  const low = hexAt(raw, at + 2)
  return high === -1 || low === -1 ? -1 : high * 16 + low
}

function hexAt(raw: string, at: number): number {
  const code = at < raw.length ? raw.charCodeAt(at) : 0
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function escapeProblem(raw: string, at: number, byte: number, allowed: number): TargetProblem | undefined {
  if (byte === -1) return { problem: 'the path has a "%" that two hexadecimal digits do not follow', code: 'DPE' }
  if (byte > 0x7f) return undefined
  if (byte === 0x25) {
    if (escapeAt(raw, at + 2) === -1 || (allowed & exceptionBits['double-encoding']) !== 0) return undefined
    return ambiguous(`the path is percent-encoded twice ("${raw.slice(at, at + 5)}")`, 'double-encoding')
  }
  const exception = exceptionOf(byte)
  if (exception === undefined || (allowed & exceptionBits[exception]) !== 0) return undefined
  return ambiguous(`the path has an encoded character that must not be ("${raw.slice(at, at + 3)}")`, exception)
}

/** The exception that allows this byte to be percent-encoded; `undefined`: none is needed. */
function exceptionOf(byte: number): PathException | undefined {
  if (byte < 0x20 || byte === 0x7f) return 'encoded-control'
  if (byte === 0x2f) return 'encoded-slash'
  if (byte === 0x5c) return 'encoded-backslash'
  if (byte === 0x3b) return 'semicolon'
  return isUnreserved(byte) ? 'encoded-unreserved' : undefined
}

function ambiguous(problem: string, exception: PathException): TargetProblem {
  return { problem: `${problem}; a route takes it with "${exception}" in its "pathExceptions"`, code: 'PN' }
}

/** Characters that mean the same with and without percent-encoding (RFC 3986 §2.3). */
function isUnreserved(byte: number): boolean {
  return /[A-Za-z0-9\-._~]/.test(String.fromCharCode(byte))
}

function decodes(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

function kindsOfCharacters(): Uint8Array {
  const table = new Uint8Array(128).fill(MALFORMED)
  const mark = (characters: string, kind: number): void => {
    for (const character of characters) table[character.charCodeAt(0)] = kind
  }
  mark('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', PLAIN)
  // RFC 3986 §3.3, and `[`, `]`, `|`, which browsers do not encode.
  mark("-._~!$&'()*+,=:@[]|", PLAIN)
  mark('/', SLASH)
  mark('%', ESCAPE)
  mark('?', END)
  mark('\\', BACKSLASH)
  mark(';', SEMICOLON)
  return table
}
