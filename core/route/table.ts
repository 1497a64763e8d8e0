import type { Steps } from '../in-slices.ts'
import { type Conditions, compareConditions, compileConditions, meets, type RouteRequest } from './conditions.ts'
import type { MatchConfig } from './match.ts'
import { hostPattern, type Pattern, pathKey, pathPattern } from './pattern.ts'

/** The least a route must have to be found. */
export interface Matchable {
  readonly name: string
  readonly match: MatchConfig
}

/** The routes of one listener, ready to be looked up in time that does not grow with their number. */
export interface RouteTable<R> {
  /**
   * The most specific of all routes that match, `undefined` when none does. Host decides first (exact, longer wildcard,
   * shorter wildcard, any), then path (exact, longer prefix, shorter prefix, any), then methods (given, any), then the
   * number of headers, of query parameters, of cookies. A route for `GET` also serves `HEAD`; naming `HEAD` makes a route
   * no more specific. `OPTIONS *` has the path `*`, which only a route without a path matches.
   */
  find(request: RouteRequest): R | undefined
}

/**
 * Builds the table. The order of `routes` never matters: of two that `findConflicts` objects to, the name decides.
 */
export function* routeTable<R extends Matchable>(routes: readonly R[]): Steps<RouteTable<R>> {
  const hosts = new Layer<Layer<Candidate<R>[]>>()
  for (const route of routes) {
    hosts
      .at(hostPattern(route.match), () => new Layer())
      .at(pathPattern(route.match), () => [])
      .push({ route, conditions: compileConditions(route.match) })
    yield
  }
  for (const paths of hosts.seal()) {
    for (const candidates of paths.seal()) {
      candidates.sort(compareCandidates)
      yield
    }
  }
  return { find: (request) => findByHost(hosts, request) }
}

interface Candidate<R extends Matchable> {
  readonly route: R
  readonly conditions: Conditions
}

/** What hangs on exact texts, on affixes and on any. Only affix lengths that exist are tried, the longest first. */
class Layer<T> {
  readonly exact = new Map<string, T>()
  readonly affix = new Map<string, T>()
  lengths: readonly number[] = []
  readonly #lengths = new Set<number>()
  any: T | undefined

  at({ kind, text }: Pattern, create: () => T): T {
    const map = kind === 'any' ? undefined : this[kind]
    const entry = map === undefined ? this.any : map.get(text)
    if (entry !== undefined) return entry
    const created = create()
    if (map === undefined) this.any = created
    else map.set(text, created)
    if (kind === 'affix') this.#lengths.add(text.length)
    return created
  }

  *seal(): Generator<T> {
    this.lengths = [...this.#lengths].sort((a, b) => b - a)
    yield* this.exact.values()
    yield* this.affix.values()
    if (this.any !== undefined) yield this.any
  }
}

const DOT = 0x2e
const SLASH = 0x2f

function findByHost<R extends Matchable>(hosts: Layer<Layer<Candidate<R>[]>>, request: RouteRequest): R | undefined {
  const { host } = request
  const path = pathKey(request.path)
  const found = findByPath(hosts.exact.get(host), path, request)
  if (found !== undefined) return found
  for (const length of hosts.lengths) {
    const from = host.length - length
    if (from <= 0 || host.charCodeAt(from) !== DOT) continue
    const found = findByPath(hosts.affix.get(host.slice(from)), path, request)
    if (found !== undefined) return found
  }
  return findByPath(hosts.any, path, request)
}

function findByPath<R extends Matchable>(
  paths: Layer<Candidate<R>[]> | undefined,
  path: string,
  request: RouteRequest,
): R | undefined {
  if (paths === undefined) return undefined
  const found = firstThatMeets(paths.exact.get(path), request)
  if (found !== undefined) return found
  for (const length of paths.lengths) {
    if (length > path.length || path.charCodeAt(length - 1) !== SLASH) continue
    const found = firstThatMeets(paths.affix.get(path.slice(0, length)), request)
    if (found !== undefined) return found
  }
  return firstThatMeets(paths.any, request)
}

function firstThatMeets<R extends Matchable>(
  candidates: readonly Candidate<R>[] | undefined,
  request: RouteRequest,
): R | undefined {
  if (candidates === undefined) return undefined
  for (const candidate of candidates) if (meets(request, candidate.conditions)) return candidate.route
  return undefined
}

function compareCandidates<R extends Matchable>(a: Candidate<R>, b: Candidate<R>): number {
  return compareConditions(a.conditions, b.conditions) || (a.route.name < b.route.name ? -1 : 1)
}
