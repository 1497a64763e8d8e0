/** Interpretations that a path may have. Their number grows with each ambiguity times the others: 74 bytes can have hundreds. */
const mostInterpretations = 32
/** Characters that all interpretations of a path may have together: a long path must not cost as much for each of them. */
const mostCharacters = 64 * 1024

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
/** RFC 3986 §2.3. */
const unreserved = codesOf(`${letters}0123456789-._~`)
/** Escapes of these bytes are refused unless a route allows them: not every server takes them for the character. */
const disputed = new Set([...unreserved, ...codesOf('/\\;%\x7f')])
const undisputed = Array.from({ length: 0xe0 }, (_, index) => index + 0x20).filter((code) => !disputed.has(code))

const escapes = /(?:%[\da-f]{2})+/gi
const unreservedEscapes = new RegExp(`${escapeOf(unreserved)}+`, 'gi')
const undisputedEscapes = new RegExp(`(?:${escapeOf(undisputed)}|%25(?![\\da-f]{2}))+`, 'gi')

/**
 * What servers are known to do to a path before they look at it. Each is applied to the result of each, in every order and
 * as often as it changes anything, so that no server does it in an order that is not covered.
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
  // Of a segment only what is before its parameters.
  (path) => path.replace(/;[^/]*/g, ''),
  // In languages where a NUL ends a text.
  (path) => path.split('\0', 1)[0]!,
  (path) => [...path].filter(isVisible).join(''),
]

/**
 * Everything that a backend may read in an ambiguous path: the path as it is sent, and what any of the steps above make of
 * it. When that is more than the limits allow, the text says which one.
 */
export function interpretationsOf(path: string): readonly string[] | string {
  const interpretations = new Set([literalOf(path)])
  // A Set goes on to what is added meanwhile.
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

/** The path as it is sent: decoded are only the escapes that every server takes for their character. */
export function literalOf(path: string): string {
  return path.replace(undisputedEscapes, decode)
}

/** What is not UTF-8 stays as it is, as in most servers. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text.replace(/%[0-7][\da-f]/gi, decodeURIComponent)
  }
}

/**
 * RFC 3986 §5.2.4. To the URL parsers of browsers percent-encoded dots are dots. `/a/.` is `/a/` to these, and `/a` to who
 * reads it as the name of a file.
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
