import type { GrantHost } from '../grants/grant-host.ts'
import type { SandboxEvent } from './event.ts'
import { Group } from './group.ts'
import { openIsolateCell } from './isolate-cell.ts'
import { layOut, type Place } from './layout.ts'
import type { Instance, Sandbox } from './plugin.ts'

export interface SandboxOptions {
  /** `HookCall.instance` is a place in this list. */
  readonly instances: readonly Instance[]
  readonly grants: GrantHost
  readonly onEvent?: (event: SandboxEvent) => void
  /** How long a hook may wait for its grants, ms. Default: 5,000. */
  readonly wait?: number
}

/**
 * Starts the plugins of all policies: those of one publisher share an isolate, each plugin has a context in it.
 *
 * @throws {PluginBuildError} when a plugin does not start.
 */
export function createSandbox(options: SandboxOptions): Sandbox {
  const byPublisher = Map.groupBy(options.instances, ({ plugin }) => plugin.publisher)
  const groups: Group[] = []
  const seats = new Map<Instance, { group: Group; place: Place }>()
  try {
    for (const [publisher, instances] of byPublisher) {
      const { plugins, places } = layOut(instances)
      const memory = Math.max(...instances.map(({ limits }) => limits.memory))
      const group = new Group({
        publisher,
        open: (emit) => openIsolateCell(plugins, memory, emit),
        time: Math.max(...instances.map(({ limits }) => limits.time)),
        grants: options.grants,
        onEvent: options.onEvent,
        ...(options.wait === undefined ? {} : { wait: options.wait }),
      })
      groups.push(group)
      for (const place of places) seats.set(place.instance, { group, place })
    }
  } catch (error) {
    for (const group of groups) group.close()
    throw error
  }
  const table = options.instances.map((instance) => seats.get(instance)!)
  return {
    call: (call) => {
      const { group, place } = table[call.instance]!
      group.call(call, place)
    },
    cancel: (call) => table[call.instance]!.group.cancel(call),
    close: () => {
      for (const group of groups) group.close()
    },
  }
}
