import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type HookName, hookNames, type Layer, points } from '../../sdk/points.ts'
import type { Policy } from '../hooks/policy.ts'
import { readerOf } from '../hooks/scopes.ts'
import { compileWrites } from '../hooks/writes.ts'
import { defaultLimits } from '../sandbox/limits.ts'
import type { Limits, Manifest, Scopes } from '../sandbox/plugin.ts'
import { encodeField, UNIT } from '../sandbox/wire.ts'
import { factsOf } from './facts.ts'
import { openApart } from './isolate-process.ts'
import { resultOf } from './result.ts'
import { fieldsByHook, openRunner, type RunnerOrder } from './runner.ts'
import type { TestFetch } from './stub-fetch.ts'
import type { TestFlow, TestResult } from './test-flow.ts'

export type { TestFetch, TestFetchRequest, TestFetchResponse } from './stub-fetch.ts'
export type { TestBackend, TestCertificate, TestFlow, TestRequest, TestResult, TestTls } from './test-flow.ts'
export type { HookName, Limits, Scopes }

/**
 * The modes in which a plugin can be tested. Run every suite in both: `describe.each(modes)('… in %s', (mode) => { …
 * })`.
 */
export const modes: readonly ('process' | 'isolate')[] = ['process', 'isolate']

export interface TestSettings {
  /**
   * `process`: in this process, for debugger and coverage. `isolate`: as in the gateway, with limits, in a process
   * beside this one, so that code that crashes V8 is an error and does not end the tests; time is real there, also when
   * the test has replaced its timers. Default: `isolate`.
   */
  readonly mode?: 'process' | 'isolate'
  /** Default: `L7`. */
  readonly layer?: Layer
  /** Default: 20 ms and 64 MB, as in the gateway. */
  readonly limits?: Partial<Limits>
  /** Answers the requests of the `fetch` grant and those for the keys of `jwt`. Default: no origin is allowed. */
  readonly fetch?: TestFetch
}

/** A plugin with options, as one policy. Close it after the test. */
export interface PluginUnderTest {
  readonly manifest: Manifest
  /** What the policy reads and writes, normalized as the gateway does. */
  readonly scopes: Scopes
  /**
   * Runs a hook for a flow. Only declared fields reach the hook, and its writes are checked as the gateway does.
   *
   * @throws {Error} when the hook throws (with the plugin's message), runs out of time (`PT`) or memory (`PM`; the next
   *   call begins with an empty state of counters and `kv`), or writes what it did not declare.
   */
  run(hook: HookName, flow?: TestFlow): Promise<TestResult>
  close(): void
}

/**
 * Loads a plugin and applies options to it, as a policy with the plugin's name.
 *
 * ```ts
 * const plugin = await testPlugin(new URL('./index.ts', import.meta.url), { keys: { k1: 'ann' } })
 * const { reply } = await plugin.run('onRequest', { request: { headers: { 'x-api-key': 'no' } } })
 * expect(reply?.status).toBe(401)
 * ```
 *
 * @param options checked against the plugin's schema, with its defaults filled in. Default: `{}`.
 * @throws {PluginBuildError} when the plugin does not build.
 * @throws {Error} when the options do not match its schema.
 */
export async function testPlugin(
  file: string | URL,
  options: unknown = {},
  settings: TestSettings = {},
): Promise<PluginUnderTest> {
  const { mode = 'isolate', layer = 'L7', fetch } = settings
  const limits: Limits = { ...defaultLimits, ...settings.limits }
  const order: RunnerOrder = { file: pathOf(file), options, limits }
  const runner = await (mode === 'isolate' ? openApart(order, fetch) : openRunner(order, 'process', fetch))
  const { name, publisher, manifest, scopes } = runner.facts
  const fields = fieldsByHook(manifest, scopes)
  const policy: Policy = {
    name,
    plugin: name,
    onFailure: 'reject',
    instance: 0,
    writes: compileWrites(scopes.writes),
    scopes,
    responseReads: [],
    group: publisher,
    needsHandshake: false,
    bodies: {},
    readers: {},
  }
  return {
    manifest,
    scopes,
    run: async (hook, flow = {}) => {
      if (!hookNames.includes(hook))
        throw new TypeError(`there is no hook "${hook}"; the hooks are ${hookNames.join(', ')}`)
      const { layers } = points[hook]
      if (!layers.includes(layer) && !layers.includes('upstream'))
        throw new TypeError(`${hook} does not run on ${layer}`)
      const facts = factsOf(flow, hook, layer)
      let input = layer + UNIT + encodeField(flow.state)
      for (const field of fields[hook] ?? []) input += UNIT + readerOf(field)(facts)
      const verdict = await runner.run(hook, input, facts.request?.id ?? '')
      if (verdict.kind === 'failed') throw new Error(verdict.message)
      return resultOf(verdict.operations, hook, policy, facts)
    },
    close: () => runner.close(),
  }
}

function pathOf(file: string | URL): string {
  return file instanceof URL || file.startsWith('file:') ? fileURLToPath(file) : resolve(file)
}
