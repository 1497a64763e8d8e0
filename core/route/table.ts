import type { Steps } from '../in-slices.ts'
import { capturePattern } from './captures.ts'
import { type Conditions, compareConditions, compileConditions, meets, type RouteRequest } from './conditions.ts'
import { findByHost, Layer } from './layers.ts'
import type { MatchConfig } from './match.ts'
import { PathLayer } from './path-layer.ts'
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
   * shorter wildcard, any), then path (as `PathLayer.find` says), then methods (given, any), then the
   * number of headers, of query parameters, of cookies, then the order written. A route for `GET` also serves `HEAD`; a
   * route that names `HEAD` is not more specific. `OPTIONS *` has the path `*`, which only a route without a path matches.
   */
  find(request: RouteRequest): R | undefined
  /** Only for a request that has no route. */
  nearMiss(request: RouteRequest): NearMiss<R>
}

/** Builds the table. Of routes that are equally specific the one of lowest rank wins, then the one whose name sorts first. */
export function* routeTable<R extends Matchable>(routes: readonly R[]): Steps<RouteTable<R>> {
  const hosts = new Layer<PathLayer<Candidate<R>[]>>()
  for (const route of routes) {
    const paths = hosts.at(hostPattern(route.match), () => new PathLayer())
    const captures = capturePattern(route.match.path)
    const create = (): Candidate<R>[] => []
    const candidates =
      captures === undefined ? paths.at(pathPattern(route.match), create) : paths.atCaptures(captures, create)
    candidates.push({ route, conditions: compileConditions(route.match) })
    yield
  }
  for (const paths of hosts.seal()) {
    for (const candidates of paths.seal()) {
      candidates.sort(compareCandidates)
      yield
    }
  }
  const find = (request: RouteRequest, path: string): R | undefined =>
    findByHost(hosts, request.host, (paths) => paths.find(path, (found) => firstThatMeets(found, request, meets)))
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
      findByHost(hosts, request.host, (paths) => paths.find(path, (found) => firstThatMeets(found, request, note)))
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

function firstThatMeets<R extends Matchable>(
  candidates: readonly Candidate<R>[],
  request: RouteRequest,
  test: Test<R>,
): R | undefined {
  for (const { route, conditions } of candidates) if (test(request, conditions, route)) return route
  return undefined
}

function compareCandidates<R extends Matchable>(a: Candidate<R>, b: Candidate<R>): number {
  const rank = (a.route.rank ?? 0) - (b.route.rank ?? 0)
  return compareConditions(a.conditions, b.conditions) || rank || (a.route.name < b.route.name ? -1 : 1)
}
