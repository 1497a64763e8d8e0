import { layerOf } from '../config/protocols.ts'
import type { Config, RouteConfig } from '../config/types.ts'
import type { Chain } from '../hooks/chain.ts'
import type { PolicySet } from '../hooks/policy-set.ts'
import type { Steps } from '../in-slices.ts'
import { type ConnectionTable, connectionTable } from '../route/connection-table.ts'
import type { MatchConfig } from '../route/match.ts'
import { type RouteTable, routeTable } from '../route/table.ts'
import { type Shape, shapeOf } from '../shape/shape.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Route } from './snapshot.ts'

/** The routes of one listener: found by request on L7, by connection on L4. */
export type ListenerRoutes =
  | { readonly layer: 'L7'; readonly list: readonly Route[]; readonly table: RouteTable<Route> }
  | { readonly layer: 'L4'; readonly list: readonly Route[]; readonly table: ConnectionTable<Route> }

/** What routes are compiled from. */
export interface RouteParts {
  readonly config: Config
  readonly policies: PolicySet
  readonly upstreams: ReadonlyMap<string, Upstream>
}

/** All of a configuration's routes. */
export interface CompiledRoutes {
  readonly byName: ReadonlyMap<string, Route>
  /** Has an entry for every listener. */
  readonly byListener: ReadonlyMap<string, ListenerRoutes>
}

/** Compiles the routes. Parts that are the same objects as in the previous configuration keep their compiled routes and tables. */
export function* compileRoutes(
  { config, policies, upstreams }: RouteParts,
  before: (RouteParts & { readonly routes: CompiledRoutes }) | undefined,
): Steps<CompiledRoutes> {
  const sameLists = before !== undefined && hasSameLists(config, before.config)
  const known = sameLists && policies === before.policies ? before.routes : undefined
  // A reload that changes no route must not walk all of them (10,000).
  if (known !== undefined && config.routes === before?.config.routes && upstreams === before.upstreams) return known
  const byName = new Map<string, Route>()
  const lists = new Map<string, Route[]>(Object.keys(config.listeners).map((name) => [name, []]))
  for (const name of Object.keys(config.routes)) {
    const own = config.routes[name]!
    const listener = config.listeners[own.listener]!
    const upstream = own.upstream === undefined ? undefined : upstreams.get(own.upstream)
    const kept = known?.byName.get(name)
    const isSame = kept?.config === own && kept.upstream === upstream
    const route = isSame ? kept : new CompiledRoute(name, own, listener.policies, upstream, policies)
    byName.set(name, route)
    lists.get(own.listener)!.push(route)
    yield
  }
  const byListener = new Map<string, ListenerRoutes>()
  for (const [name, list] of lists) {
    const kept = before?.routes.byListener.get(name)
    const layer = layerOf(config.listeners[name]!.protocol)
    if (kept?.layer === layer && isSameList(list, kept.list)) byListener.set(name, kept)
    else if (layer === 'L7') byListener.set(name, { layer, list, table: yield* routeTable(list) })
    else byListener.set(name, { layer, list, table: yield* connectionTable(list) })
    yield
  }
  return { byName, byListener }
}

/** Whether both have the same listeners, with the same policies each. */
function hasSameLists({ listeners: a }: Config, { listeners: b }: Config): boolean {
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length && names.every((name) => isSameList(a[name]!.policies, b[name]?.policies))
  )
}

function isSameList<T>(a: readonly T[], b: readonly T[] | undefined): boolean {
  return a === b || (a.length === b?.length && a.every((item, index) => item === b[index]))
}

/** A compiled route; consecutive snapshots share it while nothing it was compiled from changes. */
class CompiledRoute implements Route {
  readonly name: string
  readonly match: MatchConfig
  readonly rank: number | undefined
  readonly config: RouteConfig
  readonly upstream: Upstream | undefined
  readonly base: Chain
  readonly shape: Shape | undefined
  /** Chain through its own upstream. */
  readonly #whole: Chain
  /** Names of the listener's policies, then of its own. */
  readonly #names: readonly string[]
  readonly #policies: PolicySet

  constructor(
    name: string,
    config: RouteConfig,
    listener: readonly string[],
    upstream: Upstream | undefined,
    policies: PolicySet,
  ) {
    this.name = name
    this.match = config.match
    this.rank = config.rank
    this.config = config
    this.upstream = upstream
    this.shape = shapeOf(config)
    this.#policies = policies
    this.#names = config.policies.length === 0 ? listener : [...listener, ...config.policies]
    this.base = policies.chain(this.#names)
    this.#whole = upstream === undefined ? this.base : this.#chainTo(upstream)
  }

  through(upstream: Upstream): Chain {
    return upstream === this.upstream ? this.#whole : this.#chainTo(upstream)
  }

  #chainTo({ config: { policies } }: Upstream): Chain {
    return policies.length === 0 ? this.base : this.#policies.chain([...this.#names, ...policies])
  }
}
