import { asLatin1, encodeOctets, hasStray, withOverlong, withoutStrays, withReplacements } from './octets.ts'
import type { PathException } from './path-exceptions.ts'

/** Most interpretations of a path. Each ambiguity multiplies their number: a path of 74 bytes can have hundreds. */
const mostInterpretations = 32
/** Most characters of all interpretations of a path together, because the cost grows with the length and the number. */
const mostCharacters = 16 * 1024
const tooLong = `the interpretations of the path have more than ${mostCharacters} characters together`

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
/** RFC 3986 §2.3. */
const unreserved = codesOf(`${letters}0123456789-._~`)
/** Not every server decodes escapes of these bytes. */
const disputed = new Set([...unreserved, ...codesOf('/\\;%\x7f')])
const undisputed = Array.from({ length: 0xe0 }, (_, index) => index + 0x20).filter((code) => !disputed.has(code))

const escapes = /(?:%[\da-f]{2})+/gi
const unreservedEscapes = new RegExp(`${escapeOf(unreserved)}+`, 'gi')
const undisputedEscapes = new RegExp(`(?:${escapeOf(undisputed)}|%25(?![\\da-f]{2}))+`, 'gi')

/**
 * What servers are known to do with a path before they use it. Every step is applied to the result of every other,
 * until nothing new results, so that every order in which a server may do them is covered.
 */
const steps: readonly ((path: string) => string)[] = [
  (path) => path.replace(escapes, decode),
  // RFC 3986 §6.2.2.2
  (path) => path.replace(unreservedEscapes, decode),
  (path) => path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\'),
  (path) => path.replaceAll('\\', '/'),
  (path) => path.replace(/\/{2,}/g, '/'),
  // A URL parser takes what follows two slashes for a host (RFC 3986 §4.2).
  (path) => path.replace(/^\/{2,}[^/]*/, '') || '/',
  (path) => withoutDots(path, /^\.{1,2}$/, true),
  (path) => withoutDots(path, /^\.{1,2}$/, false),
  (path) => withoutDots(path, /^(?:\.|%2e){1,2}$/i, true),
  (path) => withoutDots(path, /^(?:\.|%2e){1,2}$/i, false),
  // Drops the parameters of segments.
  (path) => path.replace(/;[^/]*/g, ''),
  // Some servers decode a target before they look for the end of its path.
  (path) => path.replace(/[?#].*/s, ''),
  (path) => path.replace(/[\x01-\x1f\x7f]+/g, ''),
  asLatin1,
  withReplacements,
  withoutStrays,
  withOverlong,
]

/**
 * All paths that a backend may read in an ambiguous path, percent-decoded: the path as it is sent, which is the first, and
 * the results of all steps above. When they exceed a limit, returns a text that names the limit.
 *
 * @param path as sent, one character for each octet
 */
export function interpretationsOf(path: string): readonly string[] | string {
  if (2 * path.length > mostCharacters) return tooLong
  // The second differs where octets above 0x7F are not encoded: a server may take each for a character.
  const interpretations = new Set([literalOf(encodeOctets(path)), literalOf(path)])
  // The loop also visits what is added to the Set in the meantime.
  for (const interpretation of interpretations) {
    for (const step of steps) {
      interpretations.add(step(interpretation))
      if (interpretations.size > mostInterpretations) {
        return `the path has more than ${mostInterpretations} interpretations, the limit`
      }
      if (interpretations.size * path.length > mostCharacters) return tooLong
    }
  }
  return [...interpretations]
}

/** What no backend should have to find in a path, and the name of the exception that allows it. None allows a NUL. */
const hazards: readonly (readonly [PathException | undefined, RegExp, string])[] = [
  [undefined, /\0/, 'a NUL'],
  ['dot-segment', /\/\.{1,2}(?:\/|$)/, 'a dot segment'],
  ['encoded-backslash', /\\/, 'a backslash'],
  ['encoded-control', /[\x01-\x1f\x7f]/, 'a control character'],
]

/** A NUL, or a dot segment, a backslash or a control character that `named` does not allow, in one of the interpretations. */
export function hazardIn(
  interpretations: readonly string[],
  named: readonly PathException[],
): { readonly exception: PathException | undefined; readonly what: string; readonly where: string } | undefined {
  for (const [exception, form, what] of hazards) {
    if (exception !== undefined && named.includes(exception)) continue
    const where = interpretations.find((interpretation) => form.test(interpretation))
    if (where !== undefined) return { exception, what, where }
  }
  return undefined
}

/** The path as it is sent, with only those escapes decoded that every server decodes. */
function literalOf(path: string): string {
  return path.replace(undisputedEscapes, decode)
}

/** Decodes escapes. When the bytes are not UTF-8, only escapes of ASCII characters are decoded, as most servers do. */
function decode(text: string): string {
  return hasStray(text) ? text.replace(/%[0-7][\da-f]/gi, decodeURIComponent) : decodeURIComponent(text)
}

const beforeDot = /\/(?:\.|%2e)/i

/**
 * Removes dot segments (RFC 3986 §5.2.4). URL parsers of browsers treat percent-encoded dots as dots. For them `/a/.`
 * is `/a/`; for servers that read it as a file name it is `/a`.
 */
function withoutDots(path: string, dots: RegExp, endsInSlash: boolean): string {
  if (!beforeDot.test(path)) return path
  const segments = path.split('/').slice(1)
  const kept: string[] = []
  for (const [index, segment] of segments.entries()) {
    const isDots = dots.test(segment)
    if (!isDots) kept.push(segment)
    else if (segment.replace(/%2e/gi, '.') === '..') kept.pop()
    if (isDots && endsInSlash && index === segments.length - 1) kept.push('')
  }
  return `/${kept.join('/')}`
}

function codesOf(characters: string): number[] {
  return [...characters].map((character) => character.charCodeAt(0))
}

function escapeOf(codes: readonly number[]): string {
  return `(?:%(?:${codes.map((code) => code.toString(16).padStart(2, '0')).join('|')}))`
}
