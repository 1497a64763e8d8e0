import type { Binding } from './layout.ts'
import type { QuarantineState } from './plugin.ts'

/** Counts and times of one policy, or of all policies of a plugin, since the sandbox was made. */
export interface Counts {
  /** Turns in which the plugin's code was called. */
  calls: number
  /** Turns without a call, because the trigger did not match. */
  skipped: number
  /**
   * Wall time spent, ms, and an equal share of what each crossing costs. Exact for calls that cross alone; for the others
   * correct on average only, since the clock inside counts milliseconds.
   */
  time: number
  /** Crossings with at least one of its steps. */
  batches: number
  /** Operations that its hooks asked for, grants included. */
  operations: number
  /** Calls that threw or broke a rule of hooks. */
  errors: number
  timeouts: number
  /** Calls that ran out of memory. */
  memory: number
  /** Calls that wrote something that the policy must not write. */
  refused: number
  /** Promises that were rejected and that no code handled, as far as their plugin is known. No call fails for it. */
  rejections: number
  /** Calls that failed without running, because the plugin was quarantined or paused or did not start. */
  denied: number
}

export interface PolicyStats extends Readonly<Counts> {
  readonly policy: string
}

/** Sums over the policies of one plugin in one group. */
export interface PluginStats extends Readonly<Counts> {
  readonly plugin: string
  readonly hash: string
  readonly group: string
  /** Isolates of its group that were replaced, whatever the cause. */
  readonly restarts: number
  /** Heap of its group's isolate at the last check, MB; shared with the group's other plugins. */
  readonly heap: number
  readonly quarantine: QuarantineState
  readonly policies: readonly PolicyStats[]
}

export function noCounts(): Counts {
  return {
    calls: 0,
    skipped: 0,
    time: 0,
    batches: 0,
    operations: 0,
    errors: 0,
    timeouts: 0,
    memory: 0,
    refused: 0,
    rejections: 0,
    denied: 0,
  }
}

/** Statistics of the plugins of one group. */
export function statsOf(
  bindings: readonly Binding[],
  group: { readonly name: string; readonly restarts: number; readonly heap: number },
  quarantine: (hash: string) => QuarantineState,
): PluginStats[] {
  return [...Map.groupBy(bindings, ({ plugin }) => plugin).values()].map((own) => {
    const { name: plugin, hash } = own[0]!.instance.plugin
    const policies = own.map(({ instance, counts }) => ({ policy: instance.policy, ...counts }))
    const sums = noCounts()
    for (const key of Object.keys(sums) as (keyof Counts)[]) {
      for (const policy of policies) sums[key] += policy[key]
    }
    const { name, restarts, heap } = group
    return { plugin, hash, group: name, restarts, heap, quarantine: quarantine(hash), ...sums, policies }
  })
}
