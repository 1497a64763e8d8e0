import type { CheckedPolicy } from './config/check.ts'
import type { Config, ListenerConfig, MatchConfig, RouteConfig } from './config/types.ts'
import { type Chain, compileChain } from './hooks/chain.ts'
import { compilePolicy, type Policy } from './hooks/policy.ts'
import { compileTrust, type Trust } from './listen/trust.ts'
import { compileRoutes, type RouteTable } from './route/table.ts'
import type { Instance, Sandbox } from './sandbox/plugin.ts'
import type { Upstream } from './upstream/upstream.ts'

/** A route, compiled. */
export interface Route {
  readonly name: string
  readonly match: MatchConfig
  readonly config: RouteConfig
  /** Where requests go unless a policy chooses another; `undefined` when the route replies by itself. */
  readonly upstream: Upstream | undefined
  /** The listener's policies, then the route's. */
  readonly base: Chain
  /** The same, then those of the upstream that was chosen. */
  through(upstream: Upstream): Chain
}

interface Plan {
  readonly name: string
  readonly config: ListenerConfig
  readonly snapshot: Snapshot
}

/** What an HTTP listener does, as compiled from one configuration. */
export interface HttpPlan extends Plan {
  readonly layer: 'L7'
  readonly trust: Trust
  /** The listener's policies alone: all that `onConnect` runs for on L7. */
  readonly admission: Chain
  readonly routes: RouteTable<Route>
}

/** What a TCP listener does. */
export interface TcpPlan extends Plan {
  readonly layer: 'L4'
  /** `undefined` when the configuration gives it none: connections are closed. */
  readonly route: Route | undefined
  readonly admission: Chain
}

/** A checked configuration, compiled and frozen; swapped whole. It lives until its last flow has ended. */
export class Snapshot {
  readonly config: Config
  readonly upstreams: ReadonlyMap<string, Upstream>
  readonly sandbox: Sandbox
  readonly listeners: ReadonlyMap<string, HttpPlan | TcpPlan>
  /** By upstream: its own policies, where one of them has a `checkHealth`. */
  readonly examiners: ReadonlyMap<string, Chain>
  #users = 0
  #onIdle: (() => void) | undefined

  constructor(parts: {
    config: Config
    policies: ReadonlyMap<string, Policy>
    upstreams: ReadonlyMap<string, Upstream>
    sandbox: Sandbox
  }) {
    this.config = parts.config
    this.upstreams = parts.upstreams
    this.sandbox = parts.sandbox
    this.listeners = compileListeners(this, parts.policies)
    this.examiners = compileExaminers(this.config, parts.policies)
  }

  retain(): void {
    this.#users++
  }

  release(): void {
    this.#users--
    if (this.#users === 0) this.#onIdle?.()
  }

  /** It takes no new flows; `onIdle` is called when the last one has ended, at once if there is none. */
  retire(onIdle: () => void): void {
    if (this.#users === 0) onIdle()
    else this.#onIdle = onIdle
  }
}

/** Policies in a form that chains run, and the instances that the sandbox runs for them. */
export function compilePolicies(checked: ReadonlyMap<string, CheckedPolicy>): {
  policies: ReadonlyMap<string, Policy>
  instances: readonly Instance[]
} {
  const policies = new Map<string, Policy>()
  const instances: Instance[] = []
  for (const [name, one] of checked) {
    const { policy, instance } = compilePolicy(one, instances.length)
    policies.set(name, policy)
    instances.push(instance)
  }
  return { policies, instances }
}

function compileListeners(
  snapshot: Snapshot,
  policies: ReadonlyMap<string, Policy>,
): ReadonlyMap<string, HttpPlan | TcpPlan> {
  const { config, upstreams } = snapshot
  const named = (names: readonly string[]): Policy[] => names.map((name) => policies.get(name)!)
  const listeners = new Map<string, HttpPlan | TcpPlan>()
  for (const [name, listener] of Object.entries(config.listeners)) {
    const own = named(listener.policies)
    const routes = Object.entries(config.routes)
      .filter(([, route]) => route.listener === name)
      .map(([routeName, route]) => compileRoute(routeName, route, own, upstreams, config, named))
    const plan = { name, config: listener, snapshot, admission: compileChain(own) }
    listeners.set(
      name,
      listener.protocol === 'http'
        ? { ...plan, layer: 'L7', trust: compileTrust(listener.trustedProxies), routes: compileRoutes(routes) }
        : { ...plan, layer: 'L4', route: routes[0] },
    )
  }
  return listeners
}

function compileExaminers(config: Config, policies: ReadonlyMap<string, Policy>): ReadonlyMap<string, Chain> {
  const chains = Object.entries(config.upstreams).map(([name, upstream]): [string, Chain] => [
    name,
    compileChain(upstream.policies.map((policy) => policies.get(policy)!)),
  ])
  return new Map(chains.filter(([, chain]) => chain.steps.checkHealth.length > 0))
}

function compileRoute(
  name: string,
  config: RouteConfig,
  own: readonly Policy[],
  upstreams: ReadonlyMap<string, Upstream>,
  all: Config,
  named: (names: readonly string[]) => Policy[],
): Route {
  const policies = [...own, ...named(config.policies)]
  const base = compileChain(policies)
  const upstream = config.upstream === undefined ? undefined : upstreams.get(config.upstream)
  const chainTo = (to: Upstream): Chain => {
    const theirs = named(all.upstreams[to.name]!.policies)
    return theirs.length === 0 ? base : compileChain([...policies, ...theirs])
  }
  // Another upstream is within reach only if some policy may choose one.
  const reachable = policies.some((policy) => policy.writes.upstream)
    ? [...upstreams.values()]
    : upstream
      ? [upstream]
      : []
  const chains = new Map(reachable.map((to) => [to, chainTo(to)]))
  return { name, match: config.match, config, upstream, base, through: (to) => chains.get(to) ?? base }
}
