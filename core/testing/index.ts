import { type HookName, hookNames, type Layer, points } from '../../sdk/points.ts'
import { pluginFormats } from '../check/formats.ts'
import { normalizeScopes } from '../check/scopes.ts'
import { compileSchema } from '../check/validator.ts'
import { createGrantHost } from '../grants/grant-host.ts'
import type { Policy } from '../hooks/policy.ts'
import { fieldsOf, readerOf } from '../hooks/scopes.ts'
import { compileWrites } from '../hooks/writes.ts'
import { Group } from '../sandbox/group.ts'
import { openIsolateExecutor } from '../sandbox/isolate-executor.ts'
import { layOut } from '../sandbox/layout.ts'
import { defaultLimits } from '../sandbox/limits.ts'
import type { HookCall, Instance, Limits, Manifest, Scopes, Verdict } from '../sandbox/plugin.ts'
import { PluginBuildError } from '../sandbox/plugin-build-error.ts'
import { encodeField, UNIT } from '../sandbox/wire.ts'
import { factsOf } from './facts.ts'
import { loadPlugin, processExecutor } from './load.ts'
import { resultOf } from './result.ts'
import { stubFetch, type TestFetch } from './stub-fetch.ts'
import type { TestFlow, TestResult } from './test-flow.ts'

export type { TestFetch, TestFetchRequest, TestFetchResponse } from './stub-fetch.ts'
export type { TestBackend, TestFlow, TestRequest, TestResult } from './test-flow.ts'
export type { HookName, Limits, Scopes }

/**
 * The modes in which a plugin can be tested. Run every suite in both: `describe.each(modes)('… in %s', (mode) => { …
 * })`.
 */
export const modes: readonly ('process' | 'isolate')[] = ['process', 'isolate']

export interface TestSettings {
  /**
   * `process`: in this process, for debugger and coverage. `isolate`: as in the gateway, with limits. Default:
   * `isolate`.
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
   * @throws {Error} when the hook throws (with the plugin's message), runs out of time (`PT`) or memory (`PM`), or
   *   writes
   *   what it did not declare.
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
  const { mode = 'isolate', layer = 'L7' } = settings
  const limits: Limits = { ...defaultLimits, ...settings.limits }
  const { code, object, scopes: scopesOf } = await loadPlugin(file, mode)
  const filled = checkOptions(code.manifest, options)
  const { scopes, wrong } = normalizeScopes(scopesOf(filled))
  if (wrong.length > 0) {
    throw new PluginBuildError(
      wrong.map((problem) => ({ place: undefined, message: `plugin "${code.name}" ${problem}` })),
    )
  }

  const fields: { [hook in HookName]?: readonly string[] } = {}
  for (const hook of code.manifest.hooks) fields[hook] = fieldsOf(hook, scopes.reads)
  const instance: Instance = { policy: code.name, plugin: code, options: filled, fields, limits, group: code.publisher }
  const { plugins, bindings } = layOut([instance])
  const group = new Group({
    name: code.publisher,
    bindings,
    memory: limits.memory,
    open:
      object === undefined
        ? (emit, _without, answer) => openIsolateExecutor({ plugins, memory: limits.memory, emit, answer })
        : processExecutor(object, plugins[0]!.setup),
    time: limits.time,
    grants: createGrantHost(settings.fetch === undefined ? {} : { fetch: stubFetch(settings.fetch) }),
  })
  const policy: Policy = {
    name: code.name,
    plugin: code.name,
    onFailure: 'reject',
    instance: 0,
    writes: compileWrites(scopes.writes),
    scopes,
    group: code.publisher,
    bodies: {},
    readers: {},
  }
  return {
    manifest: code.manifest,
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
      const verdict = await new Promise<Verdict>((resolve) => {
        const settle: HookCall['settle'] = (_step, settled) => {
          resolve(settled)
          return false
        }
        group.call({ hook, flow: facts.request?.id ?? '', steps: [{ instance: 0, input }], settle })
      })
      if (verdict.kind === 'failed') throw new Error(verdict.message)
      return resultOf(verdict.operations, hook, policy, facts)
    },
    close: () => group.close(),
  }
}

/** Any name of an upstream is accepted: only a configuration knows which upstreams exist. */
const formats = { ...pluginFormats, upstream: { expected: 'the name of an upstream', problem: () => undefined } }

function checkOptions(manifest: Manifest, options: unknown): unknown {
  const schema = manifest.options ?? { type: 'object', additionalProperties: false }
  const filled: unknown = structuredClone(options)
  const violations = compileSchema(schema, formats, false)(filled)
  if (violations.length === 0) return filled
  const lines = violations.map(({ path, message }) => `options.${path.join('.')}: ${message}`)
  throw new Error(lines.join('\n'))
}
