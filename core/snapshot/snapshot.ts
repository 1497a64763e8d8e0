import type { AcmeState } from '../acme/acme-state.ts'
import type { Config, ListenerConfig, RouteConfig } from '../config/types.ts'
import type { Chain } from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import type { PolicySet } from '../hooks/policy-set.ts'
import { compileTrust, type Trust } from '../http/client-address.ts'
import { type Via, viaOf } from '../http/via.ts'
import type { Steps } from '../in-slices.ts'
import type { ConnectionTable } from '../route/connection-table.ts'
import type { MatchConfig } from '../route/match.ts'
import type { RouteTable } from '../route/table.ts'
import type { Sandbox } from '../sandbox/plugin.ts'
import type { Shape } from '../shape/shape.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { type CompiledRoutes, compileRoutes, type RouteParts } from './routes.ts'

/** A route, compiled. */
export interface Route {
  readonly name: string
  readonly match: MatchConfig
  readonly config: RouteConfig
  /** Its upstream, unless a policy chooses another one; `undefined`: the route has a `reply`. */
  readonly upstream: Upstream | undefined
  /** The listener's policies, then the route's. */
  readonly base: Chain
  /** What it changes of requests and responses. */
  readonly shape: Shape | undefined
  /** `base`, then the policies of the chosen upstream. */
  through(upstream: Upstream): Chain
}

interface Plan {
  readonly name: string
  readonly config: ListenerConfig
  readonly snapshot: Snapshot
  /** The peers whose connections begin with a header of the PROXY protocol; `undefined`: none does. */
  readonly proxies: Trust | undefined
}

/** What an HTTP listener does, compiled from one configuration. */
export interface HttpPlan extends Plan {
  readonly layer: 'L7'
  readonly trust: Trust
  /** Whether a route or policy that a request of this listener can meet reads or writes the header of that name (in lower case). */
  isUsed(name: string): boolean
  /** Every policy that a request on the route can meet. */
  policiesOf(route: Route): readonly Policy[]
  /** The listener's policies only: the ones whose `onConnect` and `onDisconnect` run on L7. */
  readonly admission: Chain
  readonly routes: RouteTable<Route>
}

/** What a listener for TCP or UDP does. */
export interface TcpPlan extends Plan {
  readonly layer: 'L4'
  /** A connection without a route is closed, a datagram dropped. */
  readonly routes: ConnectionTable<Route>
}

/** What a snapshot is compiled from. */
interface Parts extends RouteParts {
  readonly sandbox: Sandbox
  readonly acme: AcmeState
}

/** A checked configuration, compiled; immutable, and replaced as a whole. It is in use until its last flow has ended. */
export class Snapshot implements Parts {
  readonly config: Config
  readonly via: Via
  readonly policies: PolicySet
  readonly upstreams: ReadonlyMap<string, Upstream>
  readonly sandbox: Sandbox
  readonly acme: AcmeState
  readonly routes: CompiledRoutes
  readonly listeners: ReadonlyMap<string, HttpPlan | TcpPlan>
  /** By name of the upstream: the chain of its policies, if one of them has `checkHealth`. */
  readonly examiners: ReadonlyMap<string, Chain>
  /** Whether backends are told of a client's connection: then both its ends have to be known. */
  readonly namesClients: boolean
  /** A shutdown has begun: the listeners are going to close. */
  leaving = false
  #users = 0
  #onIdle: (() => void) | undefined

  private constructor(parts: Parts, routes: CompiledRoutes, examiners: ReadonlyMap<string, Chain>) {
    this.config = parts.config
    this.via = viaOf(parts.config.listeners)
    this.policies = parts.policies
    this.upstreams = parts.upstreams
    this.sandbox = parts.sandbox
    this.acme = parts.acme
    this.routes = routes
    this.examiners = examiners
    this.namesClients = Object.values(this.config.upstreams).some(({ proxyProtocol }) => proxyProtocol !== undefined)
    this.listeners = new Map(
      Object.entries(this.config.listeners).map(([name, config]) => [name, planOf(this, name, config)]),
    )
  }

  /** @param before the active snapshot: unchanged parts are taken from it. */
  static *compile(parts: Parts, before?: Snapshot): Steps<Snapshot> {
    const routes = yield* compileRoutes(parts, before)
    const { upstreams, policies } = parts
    const isSame = upstreams === before?.upstreams && policies === before.policies
    const examiners = isSame ? before.examiners : yield* compileExaminers(parts)
    return new Snapshot(parts, routes, examiners)
  }

  retain(): void {
    this.#users++
  }

  release(): void {
    this.#users--
    if (this.#users === 0) this.#onIdle?.()
  }

  /** No new flow uses it; `onIdle` is called when the last one has ended, immediately if no flow uses it. */
  retire(onIdle: () => void): void {
    if (this.#users === 0) onIdle()
    else this.#onIdle = onIdle
  }
}

function* compileExaminers({ upstreams, policies }: Parts): Steps<ReadonlyMap<string, Chain>> {
  const examiners = new Map<string, Chain>()
  for (const [name, { config }] of upstreams) {
    const chain = policies.chain(config.policies)
    if (chain.steps.checkHealth.length > 0) examiners.set(name, chain)
    yield
  }
  return examiners
}

function planOf(snapshot: Snapshot, name: string, config: ListenerConfig): HttpPlan | TcpPlan {
  const routes = snapshot.routes.byListener.get(name)!
  const { proxyProtocol } = config
  const plan = { name, config, snapshot, proxies: proxyProtocol && compileTrust(proxyProtocol.from) }
  if (routes.layer === 'L4') return { ...plan, layer: 'L4', routes: routes.table }
  const { policies } = snapshot
  return {
    ...plan,
    layer: 'L7',
    admission: policies.chain(config.policies),
    trust: compileTrust(config.trustedProxies),
    isUsed: usedHeaders(snapshot, config, routes.list),
    policiesOf: policiesByRoute(snapshot, config),
    routes: routes.table,
  }
}

/** Compiled on first use, since few requests ask and there may be 10,000 routes. */
function usedHeaders(snapshot: Snapshot, config: ListenerConfig, routes: readonly Route[]): (name: string) => boolean {
  let isUsed: ((name: string) => boolean) | undefined
  return (name) => {
    if (isUsed === undefined) {
      const named = routes.flatMap(({ match, shape }) => [
        ...Object.keys(match.headers ?? {}),
        ...(shape?.request?.names ?? []),
      ])
      const own = new Set(named)
      const touched = snapshot.policies.touched(reachable(snapshot, config, routes))
      isUsed = (header) => own.has(header) || touched(header)
    }
    return isUsed(name)
  }
}

function policiesByRoute(snapshot: Snapshot, config: ListenerConfig): (route: Route) => readonly Policy[] {
  const known = new Map<Route, readonly Policy[]>()
  return (route) => {
    let policies = known.get(route)
    if (policies === undefined) {
      policies = snapshot.policies.named(reachable(snapshot, config, [route]))
      known.set(route, policies)
    }
    return policies
  }
}

/** The policies that a request of a listener can meet on one of these routes. */
function reachable({ policies, upstreams }: Snapshot, config: ListenerConfig, routes: readonly Route[]): Set<string> {
  const names = new Set(config.policies)
  for (const route of routes) for (const name of route.config.policies) names.add(name)
  const chosen = policies.chooseUpstream(names) ? upstreams.values() : routes.map(({ upstream }) => upstream)
  for (const upstream of chosen) for (const name of upstream?.config.policies ?? []) names.add(name)
  return names
}
