import type { Steps } from '../in-slices.ts'
import { type Conditions, compareConditions, compileConditions, meets, type RouteRequest } from './conditions.ts'
import { findByHost, Layer } from './layers.ts'
import type { MatchConfig } from './match.ts'
import { hostPattern, pathKey, pathPattern } from './pattern.ts'

/** What the table needs to know about a route. */
export interface Matchable {
  readonly name: string
  readonly match: MatchConfig
  /** Its position among routes of which none is more specific, in the order written. Default: 0. */
  readonly rank?: number | undefined
}

/** What a request without a route nearly matched. */
export interface NearMiss<R> {
  /** Routes that match it but for its method. */
  readonly otherMethods: readonly R[]
  /** A route that would match with a slash more or less at the end of the path. */
  readonly otherSlash: R | undefined
}

/** The routes of one http listener. A look-up takes the same time for any number of hosts and paths. */
export interface RouteTable<R> {
  /**
   * The most specific of all routes that match, `undefined` when none does. Host decides first (exact, longer wildcard,
   * shorter wildcard, any), then path (exact, longer prefix, shorter prefix, any), then methods (given, any), then the
   * number of headers, of query parameters, of cookies, then the order written. A route for `GET` also serves `HEAD`; a
   * route that names `HEAD` is not more specific. `OPTIONS *` has the path `*`, which only a route without a path matches.
   */
  find(request: RouteRequest): R | undefined
  /** Only for a request that has no route. */
  nearMiss(request: RouteRequest): NearMiss<R>
}

/** Builds the table. Of routes that are equally specific the one of lowest rank wins, then the one whose name sorts first. */
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
  const find = (request: RouteRequest, path: string): R | undefined =>
    findByHost(hosts, request.host, (paths) => findByPath(paths, path, request, meets))
  return {
    find: (request) => find(request, pathKey(request.path)),
    nearMiss(request) {
      const path = pathKey(request.path)
      const otherMethods: R[] = []
      // Never meets anything, so every candidate is looked at.
      const note: Test<R> = (request, { methods, ...conditions }, route) => {
        if (methods !== undefined && meets(request, { methods: undefined, ...conditions })) otherMethods.push(route)
        return false
      }
      findByHost(hosts, request.host, (paths) => findByPath(paths, path, request, note))
      const turned = path.endsWith('/') ? path.slice(0, -1) : `${path}/`
      return { otherMethods, otherSlash: find(request, turned) }
    },
  }
}

/** Whether a route among the candidates is taken. */
type Test<R> = (request: RouteRequest, conditions: Conditions, route: R) => boolean

interface Candidate<R extends Matchable> {
  readonly route: R
  readonly conditions: Conditions
}

const SLASH = 0x2f

function findByPath<R extends Matchable>(
  paths: Layer<Candidate<R>[]>,
  path: string,
  request: RouteRequest,
  test: Test<R>,
): R | undefined {
  const found = firstThatMeets(paths.exact.get(path), request, test)
  if (found !== undefined) return found
  for (const length of paths.lengths) {
    if (length > path.length || path.charCodeAt(length - 1) !== SLASH) continue
    const found = firstThatMeets(paths.affix.get(path.slice(0, length)), request, test)
    if (found !== undefined) return found
  }
  return firstThatMeets(paths.any, request, test)
}

function firstThatMeets<R extends Matchable>(
  candidates: readonly Candidate<R>[] | undefined,
  request: RouteRequest,
  test: Test<R>,
): R | undefined {
  if (candidates === undefined) return undefined
  for (const { route, conditions } of candidates) if (test(request, conditions, route)) return route
  return undefined
}

function compareCandidates<R extends Matchable>(a: Candidate<R>, b: Candidate<R>): number {
  const rank = (a.route.rank ?? 0) - (b.route.rank ?? 0)
  return compareConditions(a.conditions, b.conditions) || rank || (a.route.name < b.route.name ? -1 : 1)
}
