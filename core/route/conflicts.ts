import { capturePattern } from './captures.ts'
import { type Condition, type Conditions, compileConditions } from './conditions.ts'
import type { MatchConfig } from './match.ts'
import { hostPattern, pathPattern } from './pattern.ts'
import type { Matchable } from './table.ts'

/** Two routes that one request can match, and of which neither is more specific: the one written first serves it. */
export interface Conflict {
  /** Name of the route that is written first. */
  readonly a: string
  readonly b: string
  /** `same`: both match the same requests; `covered`: `a` matches all that `b` matches; `overlap`: each has its own too. */
  readonly kind: 'same' | 'covered' | 'overlap'
  /** What both routes match. */
  readonly both: string
  /** What to change. */
  readonly remedy: string
}

/**
 * The conflicts between the routes of one listener, where only their order decides. Each route is reported once, with the
 * first route that it conflicts with, or with the one that is the same: a hundred copies of one route are 99 conflicts, not
 * 4,950.
 *
 * @param routes in the order written
 */
export function findConflicts(routes: readonly Matchable[]): Conflict[] {
  const conflicts: (Conflict & { index: number })[] = []
  for (const peers of equallySpecific(routes)) {
    const index = new PeerIndex(peers)
    const copies = new Map<string, Peer>()
    for (const b of peers) {
      const key = keyOf(b)
      const copy = copies.get(key)
      const a = copy ?? index.firstCollision(b)
      if (copy === undefined) copies.set(key, b)
      if (a !== undefined) {
        const kind = copy !== undefined ? 'same' : covers(a, b) ? 'covered' : 'overlap'
        conflicts.push({ a: a.name, b: b.name, kind, ...explain(a, b), index: b.index })
      }
      index.add(b)
    }
  }
  return conflicts.sort((x, y) => x.index - y.index).map(({ index: _, ...conflict }) => conflict)
}

/**
 * The position of each route among those that are equally specific, by name; without those that come first.
 *
 * @param routes of one listener, in the order written
 */
export function ranksOf(routes: readonly Matchable[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>()
  for (const peers of equallySpecific(routes)) {
    for (const [rank, { name }] of peers.entries()) if (rank > 0) ranks.set(name, rank)
  }
  return ranks
}

/** The same for two routes of a group that match the same requests. */
function keyOf({ conditions: { methods }, values }: Peer): string {
  const wanted = [...values].map(([key, { value }]) => [key, value ?? null])
  return JSON.stringify([methods?.toSorted(), wanted.sort()])
}

/** Whether every request that matches `b` matches `a`; both are equally specific. */
function covers(a: Peer, b: Peer): boolean {
  if (
    a.conditions.methods !== undefined &&
    !b.conditions.methods!.every((one) => a.conditions.methods!.includes(one))
  ) {
    return false
  }
  return [...a.values].every(([key, { value }]) => {
    const other = b.values.get(key)
    return other !== undefined && (value === undefined || value === other.value)
  })
}

/** One of the routes that are equally specific. */
interface Peer {
  readonly index: number
  readonly name: string
  readonly match: MatchConfig
  readonly conditions: Conditions
  /** Every condition, by its kind and name. */
  readonly values: ReadonlyMap<string, Condition>
}

/** Groups the routes by host, path and number of conditions: only routes of one group can conflict. */
function equallySpecific(routes: readonly Matchable[]): Iterable<Peer[]> {
  const groups = new Map<string, Peer[]>()
  for (const [index, { name, match }] of routes.entries()) {
    const conditions = compileConditions(match)
    const { methods, headers, query, cookies } = conditions
    const counts = [methods !== undefined, headers.length, query.length, cookies.length]
    // JSON, because two different groups could have the same joined string.
    const key = JSON.stringify([hostPattern(match), pathShape(match), counts])
    const peer = { index, name, match, conditions, values: new Map(described(conditions)) }
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [peer])
    else group.push(peer)
  }
  return groups.values()
}

/** Names of captures do not matter. */
function pathShape(match: MatchConfig): unknown {
  return capturePattern(match.path) ?? pathPattern(match)
}

/** Every condition, with the words that describe it to an operator; they also serve as its key. */
function* described({ headers, query, cookies }: Conditions): Generator<[string, Condition]> {
  for (const condition of headers) yield [`header ${JSON.stringify(condition.name)}`, condition]
  for (const condition of query) yield [`query parameter ${JSON.stringify(condition.name)}`, condition]
  for (const condition of cookies) yield [`cookie ${JSON.stringify(condition.name)}`, condition]
}

/**
 * Finds a conflict without comparing all pairs: thousands of routes may differ only in the value of one header. The
 * index uses the condition with the most different values. Two routes with different values of it cannot conflict.
 */
class PeerIndex {
  /** Key of the condition that the index uses; `undefined`: no condition has a value. */
  readonly #by: string | undefined
  readonly #all: Peer[] = []
  /** Routes that accept any value of the condition. */
  readonly #open: Peer[] = []
  readonly #byValue = new Map<string, Peer[]>()

  constructor(peers: readonly Peer[]) {
    this.#by = mostTelling(peers)
  }

  add(peer: Peer): void {
    this.#all.push(peer)
    const value = this.#valueOf(peer)
    if (value === undefined) {
      this.#open.push(peer)
      return
    }
    const same = this.#byValue.get(value)
    if (same === undefined) this.#byValue.set(value, [peer])
    else same.push(peer)
  }

  firstCollision(peer: Peer): Peer | undefined {
    const collides = (other: Peer): boolean => overlap(other, peer)
    const value = this.#valueOf(peer)
    if (value === undefined) return this.#all.find(collides)
    const same = this.#byValue.get(value)?.find(collides)
    const open = this.#open.find(collides)
    if (same === undefined || open === undefined) return same ?? open
    return same.index < open.index ? same : open
  }

  #valueOf(peer: Peer): string | undefined {
    return this.#by === undefined ? undefined : peer.values.get(this.#by)?.value
  }
}

/** Key of the condition with the most different values. */
function mostTelling(peers: readonly Peer[]): string | undefined {
  const seen = new Map<string, Set<string>>()
  for (const peer of peers) {
    for (const [key, { value }] of peer.values) {
      if (value === undefined) continue
      const values = seen.get(key)
      if (values === undefined) seen.set(key, new Set([value]))
      else values.add(value)
    }
  }
  let best: string | undefined
  let most = 0
  for (const [key, { size }] of seen) {
    if (size <= most) continue
    best = key
    most = size
  }
  return best
}

/** Whether one request can match both. */
function overlap(a: Peer, b: Peer): boolean {
  const { methods } = a.conditions
  if (methods !== undefined && !methods.some((method) => b.conditions.methods!.includes(method))) return false
  for (const [key, { value }] of a.values) {
    const other = b.values.get(key)?.value
    if (value !== undefined && other !== undefined && value !== other) return false
  }
  return true
}

function explain(a: Peer, b: Peer): Pick<Conflict, 'both' | 'remedy'> {
  const { host, path } = b.match
  const shared = a.conditions.methods?.filter((method) => b.conditions.methods?.includes(method))
  const where = `${host ?? 'any host'} ${path ?? 'with any path'}`
  const needs = [...new Set([...a.values.keys(), ...b.values.keys()])]
  const carrying = needs.length === 0 ? '' : ` with ${needs.join(' and ')}`
  const both = `both match ${shared?.join(', ') ?? 'any method'} on ${where}${carrying}, and neither is more specific`
  return { both, remedy: remedyFor(a, b, shared, needs) }
}

function remedyFor(a: Peer, b: Peer, shared: readonly string[] | undefined, needs: readonly string[]): string {
  if (shared?.length === 1 && shared[0] === 'HEAD' && !(named(a, 'HEAD') && named(b, 'HEAD'))) {
    return 'a route for GET serves HEAD too; leave HEAD out of the other one'
  }
  if (needs.length > 0) return 'ask for one more header, parameter or cookie in the one that should win'
  if (shared !== undefined && !sameMethods(a, b)) return `leave ${shared.join(', ')} to one of them`
  return 'remove one, or give one a host, path, methods or headers of its own'
}

function named(peer: Peer, method: string): boolean {
  return peer.match.methods?.includes(method) ?? false
}

function sameMethods(a: Peer, b: Peer): boolean {
  const methods = new Set(a.conditions.methods)
  return methods.symmetricDifference(new Set(b.conditions.methods)).size === 0
}
