import type { Layer } from '../../sdk/points.ts'
import type { Path } from '../config/problem.ts'
import { layerOf } from '../config/protocols.ts'
import type { Config } from '../config/types.ts'
import type { PolicyFacts } from './plugins.ts'

/** One policy in a chain. */
export interface AttachedPolicy {
  readonly policy: string
  readonly facts: PolicyFacts
  readonly level: 'listener' | 'route' | 'upstream'
  /** Name of the listener, route or upstream. */
  readonly name: string
  /** Path of the mention in the configuration. */
  readonly path: Path
}

/** Two policies: `early` runs before `late` for a request or connection. */
export interface Pair {
  readonly layer: Layer
  readonly early: AttachedPolicy
  readonly late: AttachedPolicy
}

/**
 * Every pair of policies that some chain contains, each pair once: listener × route × upstream. When a policy may choose
 * the upstream, every upstream of the listener's layer can follow, as in the snapshot.
 */
export function findPairs(config: Config, facts: ReadonlyMap<string, PolicyFacts>): readonly Pair[] {
  const attachedTo = (
    level: AttachedPolicy['level'],
    section: string,
    name: string,
    policies: readonly string[],
  ): AttachedPolicy[] =>
    policies.flatMap((policy, index) => {
      const known = facts.get(policy)
      return known === undefined
        ? []
        : [{ policy, facts: known, level, name, path: [section, name, 'policies', index] }]
    })
  const upstreams = new Map<string, { layer: Layer; attached: readonly AttachedPolicy[] }>()
  for (const [name, { protocol, policies }] of Object.entries(config.upstreams)) {
    upstreams.set(name, { layer: layerOf(protocol), attached: attachedTo('upstream', 'upstreams', name, policies) })
  }
  // Many upstreams share few different lists of policies; those without policies add no pairs.
  const distinct = new Map<string, { layer: Layer; attached: readonly AttachedPolicy[] }>()
  for (const one of upstreams.values()) {
    const key = JSON.stringify([one.layer, one.attached.map(({ policy }) => policy)])
    if (one.attached.length > 0 && !distinct.has(key)) distinct.set(key, one)
  }

  const pairs = new Map<string, Pair>()
  const add = (layer: Layer, earlier: readonly AttachedPolicy[], later: readonly AttachedPolicy[]): void => {
    for (const early of earlier) {
      for (const late of later) {
        // A policy that is in a chain twice cannot conflict with itself.
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
    // Many routes share few different lists of policies, too.
    const key = JSON.stringify([route.listener, route.policies, own?.attached.map(({ policy }) => policy)])
    if (seen.has(key)) continue
    seen.add(key)
    const layer = layerOf(listener.protocol)
    const base = [
      ...attachedTo('listener', 'listeners', route.listener, listener.policies),
      ...attachedTo('route', 'routes', name, route.policies),
    ]
    const chooses = base.some(({ facts: { scopes } }) => scopes.writes.includes('upstream'))
    const all = [...distinct.values()].filter((one) => one.layer === layer)
    const reachable = chooses ? all : own === undefined ? [] : [own]
    for (const [index, late] of base.entries()) add(layer, base.slice(0, index), [late])
    for (const { attached } of reachable) {
      add(layer, base, attached)
      for (const [index, late] of attached.entries()) add(layer, attached.slice(0, index), [late])
    }
  }
  return [...pairs.values()]
}
