import type { CapturePattern } from './captures.ts'
import { Layer } from './layers.ts'

/** Entries below a segment, with those that end there. */
interface Node<T> {
  readonly literal: Map<string, Node<T>>
  /** Below a capture. */
  open: Node<T> | undefined
  exact: T | undefined
  prefix: T | undefined
}

const SLASH = 0x2f

/** The paths of a host: exact ones, prefixes, and those with captures. */
export class PathLayer<T> extends Layer<T> {
  /** `undefined` while no path has captures. */
  #root: Node<T> | undefined
  /** Most segments of a path with captures: those of a request are many more at a client's will. */
  #deepest = 0

  /** The entry of a path with captures, created on first use. */
  atCaptures({ segments, isPrefix }: CapturePattern, create: () => T): T {
    this.#root ??= newNode()
    this.#deepest = Math.max(this.#deepest, segments.length)
    let node = this.#root
    for (const segment of segments) node = childOf(node, segment)
    const end = isPrefix ? 'prefix' : 'exact'
    node[end] ??= create()
    return node[end]
  }

  override *seal(): Generator<T> {
    yield* super.seal()
    if (this.#root !== undefined) yield* entriesOf(this.#root)
  }

  /**
   * Calls `look` with the entries that a path matches, the most specific first, and returns its first result that is not
   * `undefined`: exact, exact with captures, longer prefix (by its segments; the literal one before those with captures),
   * shorter prefix, any. Of two with captures the one is more specific that has a literal segment where they first differ.
   *
   * @param path decoded
   */
  find<R>(path: string, look: (entry: T) => R | undefined): R | undefined {
    const exact = this.exact.get(path)
    const found = exact && look(exact)
    if (found !== undefined) return found
    return this.#root === undefined ? this.#findPrefix(path, look) : this.#findAll(this.#root, path, look)
  }

  #findPrefix<R>(path: string, look: (entry: T) => R | undefined): R | undefined {
    for (const length of this.lengths) {
      if (length > path.length || path.charCodeAt(length - 1) !== SLASH) continue
      const entry = this.affix.get(path.slice(0, length))
      const found = entry && look(entry)
      if (found !== undefined) return found
    }
    return this.any && look(this.any)
  }

  #findAll<R>(root: Node<T>, path: string, look: (entry: T) => R | undefined): R | undefined {
    const segments = path.split('/').slice(1)
    const ofExact = ({ exact }: Node<T>): R | undefined => exact && look(exact)
    const found = descend(root, segments, 0, segments.length, ofExact)
    if (found !== undefined) return found
    const ofPrefix = ({ prefix }: Node<T>): R | undefined => prefix && look(prefix)
    let length = path.length
    for (let depth = segments.length - 1; depth >= 0; depth--) {
      length = path.lastIndexOf('/', length - 1) + 1
      const entry = this.known.has(length) ? this.affix.get(path.slice(0, length)) : undefined
      const literal = entry && look(entry)
      const found = literal ?? (depth > this.#deepest ? undefined : descend(root, segments, 0, depth, ofPrefix))
      if (found !== undefined) return found
      length--
    }
    return this.any && look(this.any)
  }
}

function newNode<T>(): Node<T> {
  return { literal: new Map(), open: undefined, exact: undefined, prefix: undefined }
}

function childOf<T>(node: Node<T>, segment: string | undefined): Node<T> {
  if (segment === undefined) {
    node.open ??= newNode()
    return node.open
  }
  const known = node.literal.get(segment)
  if (known !== undefined) return known
  const child = newNode<T>()
  node.literal.set(segment, child)
  return child
}

function* entriesOf<T>(node: Node<T>): Generator<T> {
  if (node.exact !== undefined) yield node.exact
  if (node.prefix !== undefined) yield node.prefix
  for (const child of node.literal.values()) yield* entriesOf(child)
  if (node.open !== undefined) yield* entriesOf(node.open)
}

/** The nodes at a depth that the segments lead to, a literal one before one of any text. */
function descend<T, R>(
  node: Node<T>,
  segments: readonly string[],
  at: number,
  depth: number,
  look: (node: Node<T>) => R | undefined,
): R | undefined {
  if (at === depth) return look(node)
  const segment = segments[at]!
  const literal = node.literal.get(segment)
  const found = literal && descend(literal, segments, at + 1, depth, look)
  if (found !== undefined) return found
  // A capture is never empty.
  return node.open !== undefined && segment !== '' ? descend(node.open, segments, at + 1, depth, look) : undefined
}
