import type { TargetProblem } from './target.ts'

const PLAIN = 0
const SLASH = 1
const ESCAPE = 2
const END = 3
const UNUSUAL = 4

/**
 * What each ASCII character means in a path. Every server leaves plain characters unchanged, so all of them read the same
 * path.
 */
const kinds: Uint8Array = kindsOfCharacters()

/**
 * Index of the end of a path that all servers read in the same way: of its `?`, or the length of `raw`. -1 for any other
 * path: one with `//`, `\`, `;`, a dot segment, octets that are not UTF-8, or with percent-encoding of `/`, `\`, `;`, `?`,
 * `#`, of control characters, of letters, digits and `-._~` (`/%61dmin` may be `/admin`), or of a percent sign that begins another
 * escape; and for one that `pathProblem` refuses.
 *
 * @param raw begins with `/`
 */
export function plainPathEnd(raw: string): number {
  let segment = 1
  let utf8 = false
  let i = 1
  for (; i < raw.length; i++) {
    const code = raw.charCodeAt(i)
    const kind = code < 128 ? kinds[code]! : UNUSUAL
    if (kind === PLAIN) continue
    if (kind === END) break
    if (kind === SLASH) {
      if (i === segment || isDots(raw, segment, i)) return -1
      segment = i + 1
    } else if (kind === ESCAPE) {
      const byte = escapeAt(raw, i)
      if (byte === -1 || isDisputed(raw, i, byte)) return -1
      if (byte > 0x7f) utf8 = true
      i += 2
    } else return -1
  }
  return isDots(raw, segment, i) || (utf8 && !decodes(raw.slice(0, i))) ? -1 : i
}

/** Why a path that is not plain is malformed: broken percent-encoding, or a character that no request can carry. */
export function pathProblem(path: string): TargetProblem | undefined {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code === 0x25 && escapeAt(path, i) === -1)
      return { problem: 'the path has a "%" that two hexadecimal digits do not follow', code: 'DPE' }
    if (code <= 0x20 || code === 0x7f || code === 0x23 || code > 0xff)
      return { problem: `the path has the character ${codeOf(path, i)}`, code: 'DPE' }
  }
  return undefined
}

/** Code of the character at index `at`, in a form that is safe in a log. */
export function codeOf(raw: string, at: number): string {
  return `U+${raw.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')}`
}

function isDots(raw: string, from: number, to: number): boolean {
  const length = to - from
  return (length === 1 || length === 2) && raw.charCodeAt(from) === 0x2e && raw.charCodeAt(to - 1) === 0x2e
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

/** Whether not every server reads the escape at index `at` as its byte. */
function isDisputed(raw: string, at: number, byte: number): boolean {
  if (byte > 0x7f) return false
  if (byte === 0x25) return escapeAt(raw, at + 2) !== -1
  return byte < 0x20 || byte === 0x7f || isDelimiter(byte) || isUnreserved(byte)
}

/** Characters that end a path or a part of it. */
function isDelimiter(byte: number): boolean {
  return byte === 0x2f || byte === 0x5c || byte === 0x3b || byte === 0x3f || byte === 0x23
}

/** Characters that mean the same with and without percent-encoding (RFC 3986 §2.3). */
function isUnreserved(byte: number): boolean {
  const lower = byte | 0x20
  if ((lower >= 0x61 && lower <= 0x7a) || (byte >= 0x30 && byte <= 0x39)) return true
  return byte === 0x2d || byte === 0x2e || byte === 0x5f || byte === 0x7e
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
  const table = new Uint8Array(128).fill(UNUSUAL)
  const mark = (characters: string, kind: number): void => {
    for (const character of characters) table[character.charCodeAt(0)] = kind
  }
  mark('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', PLAIN)
  // RFC 3986 §3.3, and what clients are known to leave unencoded.
  mark('-._~!$&\'()*+,=:@[]|{}^"<>`', PLAIN)
  mark('/', SLASH)
  mark('%', ESCAPE)
  mark('?', END)
  return table
}
