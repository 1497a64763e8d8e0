import type { Pattern } from './pattern.ts'

/**
 * Entries for exact texts, for affixes and for any text. A look-up tries only the affix lengths that exist, the longest
 * first.
 */
export class Layer<T> {
  readonly exact: Map<string, T> = new Map()
  readonly affix: Map<string, T> = new Map()
  /** Lengths of the affixes, the longest first; filled by `seal`. */
  lengths: readonly number[] = []
  /** Those of `lengths`. */
  protected readonly known: Set<number> = new Set()
  any: T | undefined

  /** The entry of a pattern, created on first use. */
  at({ kind, text }: Pattern, create: () => T): T {
    const map = kind === 'any' ? undefined : this[kind]
    const entry = map === undefined ? this.any : map.get(text)
    if (entry !== undefined) return entry
    const created = create()
    if (map === undefined) this.any = created
    else map.set(text, created)
    if (kind === 'affix') this.known.add(text.length)
    return created
  }

  /** Prepares look-ups, after all entries have been added. Yields every entry. */
  *seal(): Generator<T> {
    this.lengths = [...this.known].sort((a, b) => b - a)
    yield* this.exact.values()
    yield* this.affix.values()
    if (this.any !== undefined) yield this.any
  }
}

const DOT = 0x2e

/**
 * Calls `look` with the entries that a host name matches, the most specific first (exact, longer wildcard, shorter
 * wildcard, any), and returns its first result that is not `undefined`.
 *
 * @param host lower case, without port.
 */
export function findByHost<T, R>(hosts: Layer<T>, host: string, look: (entry: T) => R | undefined): R | undefined {
  const exact = hosts.exact.get(host)
  const found = exact && look(exact)
  if (found !== undefined) return found
  for (const length of hosts.lengths) {
    const from = host.length - length
    if (from <= 0 || host.charCodeAt(from) !== DOT) continue
    const entry = hosts.affix.get(host.slice(from))
    const found = entry && look(entry)
    if (found !== undefined) return found
  }
  return hosts.any && look(hosts.any)
}
