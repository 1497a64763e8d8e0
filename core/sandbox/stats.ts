import type { Binding } from './layout.ts'
import type { QuarantineState } from './plugin.ts'

/** What a policy, or all policies of a plugin, have done and cost since the sandbox was made. */
export interface Counts {
  /** Turns for which the plugin's code was to run. */
  calls: number
  /** Turns that its trigger let pass without a call. */
  skipped: number
  /**
   * Time spent, ms of the wall clock: that of each crossing, in equal parts for the steps that it made. Exact for what
   * crosses alone; for the others right on average only, since a clock inside would cost more than most hooks.
   */
  time: number
  /** Crossings that it took part in. */
  batches: number
  /** Operations that its hooks asked for, grants included. */
  operations: number
  /** Calls that threw or did what no hook may. */
  errors: number
  timeouts: number
  /** Calls that ran out of memory. */
  memory: number
  /** Calls whose operations were outside of what the policy may write. */
  refused: number
  /** Calls that failed without running: quarantined, or resting after its isolate was lost too often. */
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
  /** Isolates of its group that were given up, whoever was to blame. */
  readonly restarts: number
  /** Heap of its group's isolate when it was last looked at, MB; it is shared with the group's other plugins. */
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
    denied: 0,
  }
}

/** What the plugins of one group have come to. */
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
