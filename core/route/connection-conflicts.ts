import type { Conflict } from './conflicts.ts'
import { serverNamePattern } from './pattern.ts'
import { rangeKey, rangeOf } from './source-range.ts'
import type { Matchable } from './table.ts'

/**
 * The conflicts between the routes of one L4 listener, where only their order decides. Each route is reported once, with the
 * first route that it conflicts with, or with the one that is the same.
 *
 * @param routes in the order written
 */
export function findConnectionConflicts(routes: readonly Matchable[]): Conflict[] {
  const conflicts: Conflict[] = []
  const copies = new Map<string, Matchable>()
  const firsts = new Map<string, Matchable>()
  for (const b of routes) {
    const key = JSON.stringify([groupOf(b), [...(b.match.alpn ?? [])].sort(), rangesOf(b).sort()])
    const copy = copies.get(key)
    if (copy === undefined) copies.set(key, b)
    let a = copy
    for (const range of rangesOf(b)) {
      const cell = JSON.stringify([groupOf(b), range])
      const first = firsts.get(cell)
      if (first === undefined) firsts.set(cell, b)
      else a ??= first
    }
    if (a === undefined) continue
    const kind = copy !== undefined ? 'same' : covers(a, b) ? 'covered' : 'overlap'
    conflicts.push({ a: a.name, b: b.name, kind, both: bothOf(a, b), remedy })
  }
  return conflicts
}

/**
 * The position of each route among those that can be equally specific, by name; without those that come first.
 *
 * @param routes of one L4 listener, in the order written
 */
export function connectionRanksOf(routes: readonly Matchable[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>()
  for (const group of Map.groupBy(routes, groupOf).values()) {
    for (const [rank, { name }] of group.entries()) if (rank > 0) ranks.set(name, rank)
  }
  return ranks
}

const remedy = 'remove one, or give one a serverName, alpn or source of its own'

/** Only routes of one group can be equally specific. */
function groupOf({ match }: Matchable): string {
  const { kind, text } = serverNamePattern(match)
  return JSON.stringify([kind, text, match.alpn !== undefined])
}

/** The ranges of a route, each once; one that is empty stands for any address. */
function rangesOf({ match: { source } }: Matchable): string[] {
  return source === undefined ? [''] : [...new Set(source.map((text) => rangeKey(rangeOf(text))))]
}

/** Whether every connection that matches `b` matches `a`, and as specifically. */
function covers(a: Matchable, b: Matchable): boolean {
  const ranges = new Set(rangesOf(a))
  const protocols = a.match.alpn
  const isAnyProtocol = protocols === undefined || b.match.alpn!.every((one) => protocols.includes(one))
  return isAnyProtocol && rangesOf(b).every((range) => ranges.has(range))
}

function bothOf(a: Matchable, b: Matchable): string {
  const ranges = new Set(rangesOf(a))
  const source = b.match.source?.filter((text) => ranges.has(rangeKey(rangeOf(text))))
  const where = b.match.serverName ?? (b.match.alpn === undefined ? 'any client' : 'any server name')
  const from = source === undefined ? '' : ` from ${source.join(', ')}`
  return `both match ${where}${offering(a, b)}${from}, and neither is more specific`
}

function offering(a: Matchable, b: Matchable): string {
  const shared = b.match.alpn?.filter((one) => a.match.alpn!.includes(one))
  if (shared === undefined) return ''
  if (shared.length > 0) return ` with ALPN ${shared.join(', ')}`
  return ` with ALPN ${a.match.alpn!.join(' or ')} and ${b.match.alpn!.join(' or ')}`
}
