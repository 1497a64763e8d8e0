import type { HookName } from '../../sdk/points.ts'
import type { CrossingLeases } from './crossing-leases.ts'
import type { PluginSetup } from './guest/guest.ts'
import type { Instance, PluginCode } from './plugin.ts'
import { type Counts, noCounts } from './stats.ts'

/** One plugin of a group with all its policies: they share a context. */
export interface PluginLayout {
  readonly code: PluginCode
  /** `PluginSetup` as JSON, for `Realm.setUp`. */
  readonly setup: string
}

/** An instance, bound to its plugin's index in a group, and what its hooks have cost. */
export interface Binding {
  readonly instance: Instance
  /** Index of its plugin in the group. */
  readonly plugin: number
  readonly entries: { readonly [hook in HookName]?: number }
  readonly counts: Counts
  /** Number of the last crossing that it took part in. */
  crossing: number
  /** Bytes that the host holds for its calls under way; `bounds.held` limits them. */
  held: number
  /** Leases from which the dispatcher decides what its hooks take from counters. */
  leases: CrossingLeases | undefined
  /** CPU time that the host has used for hooks that did not wait for it, ms: the next call pays. */
  owed: number
}

export interface Layout {
  readonly plugins: readonly PluginLayout[]
  /** In the order of the instances given. */
  readonly bindings: readonly Binding[]
}

interface Draft {
  readonly code: PluginCode
  readonly index: number
  readonly policies: PluginSetup['policies'][number][]
  readonly entries: PluginSetup['entries'][number][]
}

/** Groups the instances of one trust group by plugin and gives every hook of every policy an entry number. */
export function layOut(instances: readonly Instance[]): Layout {
  const byHash = new Map<string, Draft>()
  const bindings = instances.map((instance): Binding => {
    const { plugin: code, options = {}, limits } = instance
    let plugin = byHash.get(code.hash)
    if (plugin === undefined) {
      plugin = { code, index: byHash.size, policies: [], entries: [] }
      byHash.set(code.hash, plugin)
    }
    const policy = plugin.policies.push({ options, operations: limits.operations }) - 1
    const entries: { [hook in HookName]?: number } = {}
    for (const hook of code.manifest.hooks) {
      entries[hook] = plugin.entries.push({ policy, hook, fields: instance.fields[hook] ?? [] }) - 1
    }
    return {
      instance,
      plugin: plugin.index,
      entries,
      counts: noCounts(),
      crossing: 0,
      held: 0,
      leases: undefined,
      owed: 0,
    }
  })
  const plugins = [...byHash.values()].map(({ code, policies, entries }) => {
    const setup: PluginSetup = { needs: code.manifest.needs, policies, entries }
    return { code, setup: JSON.stringify(setup) }
  })
  return { plugins, bindings }
}

/** The code of a plugin, by its index in a group. @param bindings may be of other groups too. */
export function codeOf(bindings: readonly Binding[], group: string, index: number): PluginCode {
  return bindings.find(({ instance, plugin }) => instance.group === group && plugin === index)!.instance.plugin
}
