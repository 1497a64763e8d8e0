import { fileURLToPath } from 'node:url'
import { createGrantHost, type GrantHost } from '../../core/grants/grant-host.ts'
import type { HookName } from '../../core/hooks/points.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import type { SandboxEvent } from '../../core/sandbox/event.ts'
import type { HookCall, Instance, Limits, PluginCode, Sandbox, Verdict } from '../../core/sandbox/plugin.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import { encodeField, UNIT } from '../../core/sandbox/wire.ts'

/** A plugin in test/fixtures/plugins. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/plugins/${name}.ts`, import.meta.url))
}

export interface Bound {
  readonly plugin: string
  readonly publisher?: string
  readonly options?: unknown
  /** Fields of `onRequest`. Default: `path`. */
  readonly fields?: readonly string[]
  readonly limits?: Partial<Limits>
}

export interface Harness {
  readonly sandbox: Sandbox
  readonly events: SandboxEvent[]
  /** Calls `onRequest` of an instance with the values of its fields. */
  run(instance: number, ...values: (string | undefined)[]): Promise<Verdict>
  /** The same, to be cancelled. */
  start(instance: number, settle: (verdict: Verdict) => void, ...values: string[]): HookCall
}

export async function openHarness(
  bound: readonly Bound[],
  settings: { grants?: GrantHost; wait?: number } = {},
): Promise<Harness> {
  const instances: Instance[] = []
  for (const { plugin, publisher = 'local', options = {}, fields = ['path'], limits } of bound) {
    const code: PluginCode = await bundlePlugin(fixture(plugin), publisher)
    const all: { [hook in HookName]?: readonly string[] } = {}
    for (const hook of code.manifest.hooks) all[hook] = hook === 'onRequest' ? fields : []
    const policy = `policy-${instances.length}`
    instances.push({ policy, plugin: code, options, fields: all, limits: { time: 20, memory: 64, ...limits } })
  }
  const events: SandboxEvent[] = []
  const { grants = createGrantHost(), ...rest } = settings
  const sandbox = createSandbox({ instances, grants, onEvent: (event) => events.push(event), ...rest })
  const start: Harness['start'] = (instance, settle, ...values) => {
    const call: HookCall = { instance, hook: 'onRequest', input: inputOf(values), settle }
    sandbox.call(call)
    return call
  }
  return {
    sandbox,
    events,
    start,
    run: (instance, ...values) =>
      new Promise((settle) => {
        sandbox.call({ instance, hook: 'onRequest', input: inputOf(values), settle })
      }),
  }
}

/** The header that a hook has set, for short. */
export function headerOf(verdict: Verdict, name = 'x-seen'): string | undefined {
  if (verdict.kind !== 'done') return undefined
  return verdict.operations.find(([code, header]) => code === 'H' && header === name)?.[2]
}

/** Waits for something that comes about by itself. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('it did not come about within 10 s')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function inputOf(values: readonly (string | undefined)[]): string {
  return ['L7', encodeField(undefined), ...values.map(encodeField)].join(UNIT)
}
