import type { GrantHost } from '../grants/grant-host.ts'
import { Supervision } from './breaker.ts'
import { ConsoleLines } from './console-lines.ts'
import type { CrossingGuard } from './crossing-guard.ts'
import { CrossingLeases } from './crossing-leases.ts'
import type { SandboxEvent } from './event.ts'
import { Group } from './group.ts'
import { openIsolateExecutor } from './isolate-executor.ts'
import { type Binding, type Layout, layOut } from './layout.ts'
import type { HookCall, Instance, Sandbox } from './plugin.ts'
import { statsOf } from './stats.ts'

export interface SandboxOptions {
  /** `HookStep.instance` is an index into this list. */
  readonly instances: readonly Instance[]
  readonly grants: GrantHost
  /** Watches the crossings from outside. Default: no guard. */
  readonly guard?: CrossingGuard
  readonly onEvent?: (event: SandboxEvent) => void
  /** Whether what plugins write to `console` becomes events, asked for each line. Default: it does not. */
  readonly isDevelopment?: () => boolean
  /**
   * Whether calls cross as runs where they can, for tests. Default: true, unless the environment says
   * `POSTERN_RUNS=apart`: then every step crosses on its own.
   */
  readonly fused?: boolean
}

/**
 * Starts the plugins of all policies. The plugins of one trust group share an isolate; each has its own context in it.
 *
 * @throws {PluginBuildError} when a plugin does not start.
 */
export function createSandbox(options: SandboxOptions): Sandbox {
  const { instances, grants, guard, onEvent, isDevelopment, fused = process.env.POSTERN_RUNS !== 'apart' } = options
  const supervision = new Supervision()
  const layouts = [...Map.groupBy(instances, ({ group }) => group)].map(([name, own]) => {
    return { name, own, layout: layOut(own) }
  })
  const bindingOf = new Map(
    layouts.flatMap(({ layout }) => layout.bindings.map((binding) => [binding.instance, binding])),
  )
  const bindings: readonly Binding[] = instances.map((instance) => bindingOf.get(instance)!)
  const groups = new Map<string, Group>()
  const open = (name: string, own: readonly Instance[], layout: Layout): Group => {
    const { plugins } = layout
    const memory = Math.max(...own.map(({ limits }) => limits.memory))
    const time = Math.max(...own.map(({ limits }) => limits.time))
    const console = onEvent && new ConsoleLines(onEvent, isDevelopment ?? (() => false))
    const leases = grants.leases && new CrossingLeases(grants.leases, layout.bindings)
    const inside = { plugins, memory, leases: leases?.memory, guard, console }
    try {
      return new Group({
        name,
        bindings,
        open: (emit, without, answer) => openIsolateExecutor({ ...inside, emit, answer, without }),
        time,
        memory,
        grants,
        leases,
        supervision,
        fused,
        guard,
        onEvent,
      })
    } catch (error) {
      leases?.close()
      throw error
    }
  }
  try {
    for (const { name, own, layout } of layouts) groups.set(name, open(name, own, layout))
  } catch (error) {
    for (const group of groups.values()) group.close()
    throw error
  }
  const byInstance = instances.map(({ group }) => groups.get(group)!)
  const groupOf = (call: HookCall): Group => byInstance[(call.run?.members[0] ?? call.steps[0]!).instance]!
  return {
    call: (call) => groupOf(call).call(call),
    cancel: (call) => groupOf(call).cancel(call),
    refused: (call, message) => groupOf(call).refused(call, message),
    skipped: (instance) => {
      bindings[instance]!.counts.skipped++
    },
    suspect: (hashes, on) => supervision.suspect(hashes, on),
    quarantine: (hash, state) => supervision.quarantine(hash, state),
    stats: () =>
      layouts.flatMap(({ name, layout }) =>
        statsOf(layout.bindings, groups.get(name)!, (hash) => supervision.stateOf(hash)),
      ),
    close: () => {
      for (const group of groups.values()) group.close()
    },
  }
}
