import { fileURLToPath } from 'node:url'
import { createGrantHost, type GrantHost } from '../../core/grants/grant-host.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import type { CrossingGuard } from '../../core/sandbox/crossing-guard.ts'
import type { SandboxEvent } from '../../core/sandbox/event.ts'
import { defaultLimits } from '../../core/sandbox/limits.ts'
import type {
  HookCall,
  Instance,
  Limits,
  PluginCode,
  Run,
  Sandbox,
  Verdict,
  Writable,
} from '../../core/sandbox/plugin.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import { encodeField, flagsOf, UNIT } from '../../core/sandbox/wire.ts'
import type { HookName } from '../../sdk/points.ts'

/**
 * The defaults with five times as much time: on a busy machine a process may wait longer than 20 ms for a processor. Tests
 * of the time limit set their own.
 */
const limitsOfTests: Limits = { ...defaultLimits, time: 100 }

/** A plugin in test/fixtures/plugins. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/plugins/${name}.ts`, import.meta.url))
}

export interface Bound {
  readonly plugin: string
  /** Default: `local`. */
  readonly group?: string
  readonly options?: unknown
  /** Fields of `onRequest`. Default: `path`. */
  readonly fields?: readonly string[]
  readonly limits?: Partial<Limits>
}

export interface Harness {
  readonly sandbox: Sandbox
  readonly instances: readonly Instance[]
  readonly events: SandboxEvent[]
  /** Calls `onRequest` of an instance with the values of its fields. */
  run(instance: number, ...values: (string | undefined)[]): Promise<Verdict>
  /** The same, to be cancelled. */
  start(instance: number, settle: (verdict: Verdict) => void, ...values: string[]): HookCall
}

export async function openHarness(
  bound: readonly Bound[],
  settings: { grants?: GrantHost; guard?: CrossingGuard } = {},
): Promise<Harness> {
  const instances: Instance[] = []
  for (const [i, one] of bound.entries()) instances.push(await instanceOf(`policy-${i}`, one))
  const events: SandboxEvent[] = []
  const { grants = createGrantHost(), ...rest } = settings
  const sandbox = createSandbox({ instances, grants, onEvent: (event) => events.push(event), ...rest })
  const start: Harness['start'] = (instance, settle, ...values) => {
    const call = callOf(instance, values, settle)
    sandbox.call(call)
    return call
  }
  return {
    sandbox,
    instances,
    events,
    start,
    run: (instance, ...values) => new Promise((settle) => sandbox.call(callOf(instance, values, settle))),
  }
}

/** A policy of a fixture plugin, as the sandbox takes it. */
export async function instanceOf(policy: string, bound: Bound): Promise<Instance> {
  const { plugin, group = 'local', options = {}, fields = ['path'], limits } = bound
  const code = await bundled(plugin, group)
  const all: { [hook in HookName]?: readonly string[] } = {}
  for (const hook of code.manifest.hooks) all[hook] = hook === 'onRequest' ? fields : []
  return { policy, plugin: code, options, fields: all, limits: { ...limitsOfTests, ...limits }, group }
}

const bundles = new Map<string, Promise<PluginCode>>()

/** Fixtures stay as they are: each is bundled once for all files of tests in a process, which takes a tenth of a second. */
function bundled(plugin: string, publisher: string): Promise<PluginCode> {
  const key = `${publisher} ${plugin}`
  const bundle = bundles.get(key) ?? bundlePlugin({ file: fixture(plugin), publisher })
  bundles.set(key, bundle)
  return bundle
}

/** A call of one step. */
export function callOf(
  instance: number,
  values: readonly (string | undefined)[],
  settle: (verdict: Verdict) => void,
): HookCall {
  return {
    hook: 'onRequest',
    flow: `flow-${instance}`,
    ...runOf([instance], [values]),
    settle: (_step, verdict) => {
      settle(verdict)
      return false
    },
  }
}

const runs = new Map<string, Run>()
/** What the plugins of most tests write. */
export const seen: Writable = { consumer: false, headers: ['x-seen'], responseHeaders: [] }

/** The steps of a call, as a run: one for each instance, with the values of its fields. */
export function runOf(
  instances: readonly number[],
  values: readonly (readonly (string | undefined)[])[],
): Pick<HookCall, 'steps' | 'run' | 'text'> {
  const key = JSON.stringify([instances, values.map(({ length }) => length)])
  let fields = 0
  const members = instances.map((instance, i) => {
    return { instance, fields: values[i]!.map(() => fields++), written: [], writes: seen }
  })
  const run = runs.get(key) ?? { hook: 'onRequest', fields, members }
  runs.set(key, run)
  const text = values.flat().map((value) => encodeField(value) + UNIT)
  return {
    steps: instances.map((instance, i) => ({ instance, input: inputOf(values[i]!) })),
    run,
    text: flagsOf('L7', false) + text.join(''),
  }
}

/** The header that a hook has set, for short. */
export function headerOf(verdict: Verdict, name = 'x-seen'): string | undefined {
  if (verdict.kind !== 'done') return undefined
  return verdict.operations.find(([code, header]) => code === 'H' && header === name)?.[2]
}

/** Waits until the condition is true, 10 s at most. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('the condition is still false after 10 s')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The input of a hook with these values of its fields. */
export function inputOf(values: readonly (string | undefined)[]): string {
  return ['L7', encodeField(undefined), ...values.map(encodeField)].join(UNIT)
}
