/** Most interpretations of a path. Each ambiguity multiplies their number: a path of 74 bytes can have hundreds. */
const mostInterpretations = 32
/** Most characters of all interpretations of a path together, because the cost grows with the length and the number. */
const mostCharacters = 64 * 1024

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
/** RFC 3986 §2.3. */
const unreserved = codesOf(`${letters}0123456789-._~`)
/** Not every server decodes escapes of these bytes, so they are refused unless a route allows them. */
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
  (path) => withoutDots(path, /^\.{1,2}$/, true),
  (path) => withoutDots(path, /^\.{1,2}$/, false),
  (path) => withoutDots(path, /^(?:\.|%2e){1,2}$/i, true),
  (path) => withoutDots(path, /^(?:\.|%2e){1,2}$/i, false),
  // Drops the parameters of segments.
  (path) => path.replace(/;[^/]*/g, ''),
  // In some languages a NUL ends a text.
  (path) => path.split('\0', 1)[0]!,
  (path) => [...path].filter(isVisible).join(''),
]

/**
 * All paths that a backend may read in an ambiguous path: the path as it is sent, and the results of all steps above.
 * When they exceed a limit, returns a text that names the limit.
 */
export function interpretationsOf(path: string): readonly string[] | string {
  const interpretations = new Set([literalOf(path)])
  // The loop also visits what is added to the Set in the meantime.
  for (const interpretation of interpretations) {
    for (const step of steps) {
      interpretations.add(step(interpretation))
      if (interpretations.size > mostInterpretations) {
        return `the path has more than ${mostInterpretations} interpretations, the limit`
      }
    }
    if (interpretations.size * path.length > mostCharacters) {
      return `the interpretations of the path have more than ${mostCharacters} characters together`
    }
  }
  return [...interpretations]
}

/** The path as it is sent, with only those escapes decoded that every server decodes. */
export function literalOf(path: string): string {
  return path.replace(undisputedEscapes, decode)
}

/** Decodes escapes. When the bytes are not UTF-8, only escapes of ASCII characters are decoded, as most servers do. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text.replace(/%[0-7][\da-f]/gi, decodeURIComponent)
  }
}

/**
 * Removes dot segments (RFC 3986 §5.2.4). URL parsers of browsers treat percent-encoded dots as dots. For them `/a/.`
 * is `/a/`; for servers that read it as a file name it is `/a`.
 */
function withoutDots(path: string, dots: RegExp, endsInSlash: boolean): string {
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

function isVisible(character: string): boolean {
  return character > '\x1f' && character !== '\x7f'
}

function codesOf(characters: string): number[] {
  return [...characters].map((character) => character.charCodeAt(0))
}

function escapeOf(codes: readonly number[]): string {
  return `(?:%(?:${codes.map((code) => code.toString(16).padStart(2, '0')).join('|')}))`
}
