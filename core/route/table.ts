import type { Steps } from '../in-slices.ts'
import { type Conditions, compareConditions, compileConditions, meets, type RouteRequest } from './conditions.ts'
import { findByHost, Layer } from './layers.ts'
import type { MatchConfig } from './match.ts'
import { hostPattern, pathKey, pathPattern } from './pattern.ts'

/** What the table needs to know about a route. */
export interface Matchable {
  readonly name: string
  readonly match: MatchConfig
}

/** The routes of one http listener. A look-up takes the same time for any number of hosts and paths. */
export interface RouteTable<R> {
  /**
   * The most specific of all routes that match, `undefined` when none does. Host decides first (exact, longer wildcard,
   * shorter wildcard, any), then path (exact, longer prefix, shorter prefix, any), then methods (given, any), then the
   * number of headers, of query parameters, of cookies. A route for `GET` also serves `HEAD`; a route that names `HEAD`
   * is not more specific. `OPTIONS *` has the path `*`, which only a route without a path matches.
   */
  find(request: RouteRequest): R | undefined
}

/**
 * Builds the table. The order of `routes` does not matter: of two that `findConflicts` reports, the one whose name
 * sorts first wins.
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
  return {
    find: (request) => {
      const path = pathKey(request.path)
      return findByHost(hosts, request.host, (paths) => findByPath(paths, path, request))
    },
  }
}

interface Candidate<R extends Matchable> {
  readonly route: R
  readonly conditions: Conditions
}

const SLASH = 0x2f

function findByPath<R extends Matchable>(
  paths: Layer<Candidate<R>[]>,
  path: string,
  request: RouteRequest,
): R | undefined {
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
