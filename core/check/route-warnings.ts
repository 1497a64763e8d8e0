import type { Path } from '../config/problem.ts'
import { layerOf } from '../config/protocols.ts'
import type { Config, ListenerConfig, RouteConfig } from '../config/types.ts'
import { Fields } from '../http/fields.ts'
import { FORWARDING, HEARSAY, isAliasTreated, isTreated, NO_ALIAS } from '../http/header-names.ts'
import { type Conflict, findConflicts } from '../route/conflicts.ts'
import { findConnectionConflicts } from '../route/connection-conflicts.ts'
import { type RouteTable, routeTable } from '../route/table.ts'

interface Named extends RouteConfig {
  readonly name: string
}

type Warn = (path: Path, message: string) => void

/**
 * What is valid in routes, but most likely not intended.
 *
 * @param names of all routes, in the order written
 */
export function warnOfRoutes(config: Config, names: readonly string[], warn: Warn): void {
  const routes = names.map((name) => ({ name, ...config.routes[name]! }))
  for (const [listener, list] of Map.groupBy(routes, (route) => route.listener)) {
    const own = config.listeners[listener]!
    const isL4 = layerOf(own.protocol) === 'L4'
    warnOfOrder(isL4 ? findConnectionConflicts(list) : findConflicts(list), warn)
    if (isL4) {
      for (const route of list) warnOfDoubleTls(route, own, config, warn)
      continue
    }
    const table = built(list)
    for (const route of list) {
      warnOfHeaders(route, own, warn)
      warnOfBase(route, table, warn)
    }
  }
}

/** Routes that one request can match, and of which only the order decides. */
function warnOfOrder(conflicts: readonly Conflict[], warn: Warn): void {
  for (const { a, b, kind, both, remedy } of conflicts) {
    const unused = kind === 'covered' ? `, so "${b}" is never used` : ''
    warn(['routes', b], `routes "${a}" and "${b}" ${both}; "${a}" is written first and serves them${unused}; ${remedy}`)
  }
}

/** TLS that is passed on and encrypted once more: a backend would have to undo both. */
function warnOfDoubleTls({ name, match, upstream }: Named, listener: ListenerConfig, config: Config, warn: Warn): void {
  if (listener.tls !== undefined || (match.serverName ?? match.alpn) === undefined) return
  if (upstream === undefined || config.upstreams[upstream]?.tls === undefined) return
  const message = `the client's TLS is passed on as it comes, and upstream "${upstream}" has "tls": backends get TLS within TLS; remove "tls" of the upstream, or terminate the client's with "protocol": "tls"`
  warn(['routes', name, 'upstream'], message)
}

/** Headers that are always removed before routes see a request. */
function warnOfHeaders({ name, match }: Named, listener: ListenerConfig, warn: Warn): void {
  for (const header of Object.keys(match.headers ?? {})) {
    const why = whyRemoved(header, listener)
    if (why !== undefined) warn(['routes', name, 'match', 'headers', header], `never matches: ${why}`)
  }
}

function whyRemoved(name: string, { trustedProxies, underscores }: ListenerConfig): string | undefined {
  if (name.includes('_')) {
    if (isAliasTreated(name, NO_ALIAS))
      return 'many backends read the name like one with dashes, so it is always removed'
    return underscores === 'pass' ? undefined : `the listener's "underscores" is ${JSON.stringify(underscores)}`
  }
  if (name === 'x-real-ip') return 'the gateway sets this header itself'
  if (trustedProxies.length > 0 || !isTreated(name, FORWARDING | HEARSAY)) return undefined
  return 'only proxies in "trustedProxies" of the listener may send this header, and there are none'
}

/** `/admin/*` with policies that `/admin` does not have: most backends serve both alike. */
function warnOfBase({ name, match, policies }: Named, table: RouteTable<Named>, warn: Warn): void {
  const { host = '', path = '', methods = ['GET'], headers, query, cookies } = match
  if (!path.endsWith('/*') || path === '/*' || (headers ?? query ?? cookies) !== undefined) return
  const base = path.slice(0, -2)
  const request = {
    host: host.replace('*', 'any'),
    path: base,
    query: '',
    method: methods[0]!,
    fields: new Fields(),
  }
  const other = table.find(request)
  const missing = policies.filter((policy) => other !== undefined && !other.policies.includes(policy))
  if (other === undefined || missing.length === 0) return
  const without = missing.map((policy) => `"${policy}"`).join(', ')
  const message = `${JSON.stringify(path)} does not include ${JSON.stringify(base)}, which route "${other.name}" serves without ${without}; most backends treat both alike, so add a route for ${JSON.stringify(base)}`
  warn(['routes', name, 'match', 'path'], message)
}

function built(routes: readonly Named[]): RouteTable<Named> {
  const steps = routeTable(routes)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}
