import { pathKey } from './pattern.ts'

/** A path of a match with captures: `/users/{id}/*`. */
export interface CapturePattern {
  /** Decoded segments; `undefined` is one segment of any text but the empty one. */
  readonly segments: readonly (string | undefined)[]
  /** Whether it ends with `/*`. */
  readonly isPrefix: boolean
}

const capture = /^\{([A-Za-z]\w*)\}$/

/** The segments of a path of a match, without the `*` of a prefix. */
function segmentsOf(path: string): string[] {
  return (path.endsWith('/*') ? path.slice(0, -2) : path).split('/').slice(1)
}

/** `undefined`: the path has no captures. */
export function capturePattern(path: string | undefined): CapturePattern | undefined {
  if (path === undefined || path.indexOf('{') === -1) return undefined
  const segments = segmentsOf(path).map((segment) => (capture.test(segment) ? undefined : pathKey(segment)))
  return segments.includes(undefined) ? { segments, isPrefix: path.endsWith('/*') } : undefined
}

/** Names of the captures of a path of a match, each with the index of its segment; `rest` is what the `*` stands for. */
export function capturesOf(path: string | undefined): ReadonlyMap<string, number> {
  const captures = new Map<string, number>()
  if (path === undefined) return captures
  const segments = segmentsOf(path)
  for (const [index, segment] of segments.entries()) {
    const name = capture.exec(segment)?.[1]
    if (name !== undefined) captures.set(name, index)
  }
  if (path.endsWith('/*')) captures.set('rest', segments.length)
  return captures
}

/**
 * What a capture stands for in a path.
 *
 * @param path as it came
 * @param captures of `capturesOf`
 */
export function captured(path: string, captures: ReadonlyMap<string, number>, name: string): string | undefined {
  const index = captures.get(name)
  if (index === undefined) return undefined
  let from = 1
  for (let i = 0; i < index; i++) {
    from = path.indexOf('/', from) + 1
    if (from === 0) return undefined
  }
  if (name === 'rest') return path.slice(from)
  const end = path.indexOf('/', from)
  return end === -1 ? path.slice(from) : path.slice(from, end)
}

/** Why a path of a match has no such captures; `undefined`: there is nothing wrong with them. */
export function captureProblem(path: string): string | undefined {
  const seen = new Set<string>()
  for (const segment of segmentsOf(path)) {
    const name = capture.exec(segment)?.[1]
    if (name === undefined) {
      if (!/[{}]/.test(segment)) continue
      return `${JSON.stringify(segment)} is not a capture; write a whole segment, as in "/users/{id}", or "%7B" and "%7D" for braces`
    }
    if (name === 'rest') return '"rest" is what the "*" at the end stands for; name the capture differently'
    if (seen.has(name)) return `has two captures "${name}"; name one of them differently`
    seen.add(name)
  }
  return undefined
}
