import type { GrantHost } from '../grants/grant-host.ts'
import { Supervision } from './breaker.ts'
import type { SandboxEvent } from './event.ts'
import { Group } from './group.ts'
import type { CrossingGuard } from './guard.ts'
import { openIsolateExecutor } from './isolate-executor.ts'
import { type Layout, layOut, type Place } from './layout.ts'
import type { Instance, Sandbox } from './plugin.ts'
import { statsOf } from './stats.ts'

export interface SandboxOptions {
  /** `HookStep.instance` is a place in this list. */
  readonly instances: readonly Instance[]
  readonly grants: GrantHost
  /** Watches the crossings from outside. Default: nobody does. */
  readonly guard?: CrossingGuard
  readonly onEvent?: (event: SandboxEvent) => void
}

/**
 * Starts the plugins of all policies: those of one trust group share an isolate, each plugin has a context in it.
 *
 * @throws {PluginBuildError} when a plugin does not start.
 */
export function createSandbox({ instances, grants, guard, onEvent }: SandboxOptions): Sandbox {
  const supervision = new Supervision()
  const layouts = [...Map.groupBy(instances, ({ group }) => group)].map(([name, own]) => {
    return { name, own, layout: layOut(own) }
  })
  const placed = new Map(layouts.flatMap(({ layout }) => layout.places.map((place) => [place.instance, place])))
  const places: readonly Place[] = instances.map((instance) => placed.get(instance)!)
  const groups = new Map<string, Group>()
  const open = (name: string, own: readonly Instance[], { plugins }: Layout): Group => {
    const memory = Math.max(...own.map(({ limits }) => limits.memory))
    const time = Math.max(...own.map(({ limits }) => limits.time))
    return new Group({
      name,
      places,
      open: (emit, without, answer) => openIsolateExecutor({ plugins, memory, emit, answer, guard, without }),
      time,
      memory,
      grants,
      supervision,
      guard,
      onEvent,
    })
  }
  try {
    for (const { name, own, layout } of layouts) groups.set(name, open(name, own, layout))
  } catch (error) {
    for (const group of groups.values()) group.close()
    throw error
  }
  const byInstance = instances.map(({ group }) => groups.get(group)!)
  const groupOf = (instance: number): Group => byInstance[instance]!
  return {
    call: (call) => groupOf(call.steps[0]!.instance).call(call),
    cancel: (call) => groupOf(call.steps[0]!.instance).cancel(call),
    refused: (call, message) => groupOf(call.steps[0]!.instance).refused(call, message),
    skipped: (instance) => {
      places[instance]!.counts.skipped++
    },
    suspect: (hashes, on) => supervision.suspect(hashes, on),
    quarantine: (hash, state) => supervision.quarantine(hash, state),
    stats: () =>
      layouts.flatMap(({ name, layout }) =>
        statsOf(layout.places, groups.get(name)!, (hash) => supervision.stateOf(hash)),
      ),
    close: () => {
      for (const group of groups.values()) group.close()
    },
  }
}
