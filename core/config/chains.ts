import type { Layer } from '../hooks/points.ts'
import { layerOf } from './attachments.ts'
import type { PolicyFacts } from './plugins.ts'
import type { Path } from './problem.ts'
import type { Config } from './types.ts'

/** One policy in its place in a chain. */
export interface Seat {
  readonly policy: string
  readonly facts: PolicyFacts
  readonly place: 'listener' | 'route' | 'upstream'
  /** Name of the listener, route or upstream. */
  readonly name: string
  /** Where the mention stands in the configuration. */
  readonly path: Path
}

/** Two policies of which the first runs before the second on the way of a request or connection. */
export interface Pair {
  readonly layer: Layer
  readonly early: Seat
  readonly late: Seat
}

/**
 * Every two policies that some chain holds, each pair once: listener × route × upstream. When a policy may choose the
 * upstream, every one of the listener's protocol is within reach, as in the snapshot.
 */
export function findPairs(config: Config, facts: ReadonlyMap<string, PolicyFacts>): readonly Pair[] {
  const seatsOf = (place: Seat['place'], section: string, name: string, policies: readonly string[]): Seat[] =>
    policies.flatMap((policy, index) => {
      const known = facts.get(policy)
      return known === undefined
        ? []
        : [{ policy, facts: known, place, name, path: [section, name, 'policies', index] }]
    })
  const upstreams = new Map<string, { layer: Layer; seats: readonly Seat[] }>()
  for (const [name, { protocol, policies }] of Object.entries(config.upstreams)) {
    upstreams.set(name, { layer: layerOf(protocol)!, seats: seatsOf('upstream', 'upstreams', name, policies) })
  }
  // Many upstreams have few different lists of policies, and most have none.
  const guarded = new Map<string, { layer: Layer; seats: readonly Seat[] }>()
  for (const one of upstreams.values()) {
    const key = JSON.stringify([one.layer, one.seats.map(({ policy }) => policy)])
    if (one.seats.length > 0 && !guarded.has(key)) guarded.set(key, one)
  }

  const pairs = new Map<string, Pair>()
  const add = (layer: Layer, earlier: readonly Seat[], later: readonly Seat[]): void => {
    for (const early of earlier) {
      for (const late of later) {
        // Twice in one chain it runs twice, by the same rules both times.
        if (early.policy === late.policy) continue
        const key = `${layer} ${early.policy} ${late.policy}`
        if (!pairs.has(key)) pairs.set(key, { layer, early, late })
      }
    }
  }
  const seen = new Set<string>()
  for (const [name, route] of Object.entries(config.routes)) {
    const listener = config.listeners[route.listener]!
    const own = upstreams.get(route.upstream ?? '')
    // So it is with routes.
    const key = JSON.stringify([route.listener, route.policies, own?.seats.map(({ policy }) => policy)])
    if (seen.has(key)) continue
    seen.add(key)
    const layer = layerOf(listener.protocol)!
    const base = [
      ...seatsOf('listener', 'listeners', route.listener, listener.policies),
      ...seatsOf('route', 'routes', name, route.policies),
    ]
    const chooses = base.some(({ facts: { scopes } }) => scopes.writes.includes('upstream'))
    const all = [...guarded.values()].filter((one) => one.layer === layer)
    const reachable = chooses ? all : own === undefined ? [] : [own]
    for (const [index, late] of base.entries()) add(layer, base.slice(0, index), [late])
    for (const { seats } of reachable) {
      add(layer, base, seats)
      for (const [index, late] of seats.entries()) add(layer, seats.slice(0, index), [late])
    }
  }
  return [...pairs.values()]
}
