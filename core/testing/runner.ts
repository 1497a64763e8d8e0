import type { HookName } from '../../sdk/points.ts'
import { pluginFormats } from '../check/formats.ts'
import { compilePluginSchema } from '../check/plugin-schema.ts'
import { normalizeScopes } from '../check/scopes.ts'
import { createGrantHost } from '../grants/grant-host.ts'
import { fieldsOf } from '../hooks/scopes.ts'
import { ConsoleLines } from '../sandbox/console-lines.ts'
import { Group } from '../sandbox/group.ts'
import { openIsolateExecutor } from '../sandbox/isolate-executor.ts'
import { layOut } from '../sandbox/layout.ts'
import type { HookCall, Instance, Limits, Manifest, Scopes, Verdict } from '../sandbox/plugin.ts'
import { PluginBuildError } from '../sandbox/plugin-build-error.ts'
import { loadPlugin, processExecutor } from './load.ts'
import { stubFetch, type TestFetch } from './stub-fetch.ts'

/** A plugin to be tested. Plain data: it may be sent to another process. */
export interface RunnerOrder {
  /** Absolute path of the plugin's file. */
  readonly file: string
  readonly options: unknown
  readonly limits: Limits
}

/** A plugin with options, as one policy with the plugin's name. */
export interface Runner {
  readonly facts: RunnerFacts
  /** @param input as in `HookStep`. @param flow identifier of the flow. */
  run(hook: HookName, input: string, flow: string): Promise<Verdict>
  close(): void
}

export interface RunnerFacts {
  readonly name: string
  readonly publisher: string
  readonly manifest: Manifest
  /** Normalised. */
  readonly scopes: Scopes
}

/**
 * Loads the plugin and opens what it runs in.
 *
 * @param mode `process`: this process. `isolate`: an isolate in this process.
 */
export async function openRunner(
  { file, options, limits }: RunnerOrder,
  mode: 'process' | 'isolate',
  fetch: TestFetch | undefined,
): Promise<Runner> {
  const { code, object, scopes: scopesOf } = await loadPlugin(file, mode)
  const { name, publisher, manifest } = code
  const filled = checkOptions(manifest, options)
  const { scopes, wrong } = normalizeScopes(scopesOf(filled))
  if (wrong.length > 0) {
    throw new PluginBuildError(wrong.map((problem) => ({ place: undefined, message: `plugin "${name}" ${problem}` })))
  }
  const fields = fieldsByHook(manifest, scopes)
  const instance: Instance = { policy: name, plugin: code, options: filled, fields, limits, group: publisher }
  const { plugins, bindings } = layOut([instance])
  const { memory, time } = limits
  const lines = new ConsoleLines(
    ({ message }) => console.log(`plugin "${name}": ${message}`),
    () => true,
  )
  const group = new Group({
    name: publisher,
    bindings,
    memory,
    open:
      object === undefined
        ? (emit, _without, answer) => openIsolateExecutor({ plugins, memory, emit, answer, console: lines })
        : processExecutor(object, plugins[0]!.setup),
    time,
    grants: createGrantHost(fetch === undefined ? {} : { fetch: stubFetch(fetch) }),
  })
  return {
    facts: { name, publisher, manifest, scopes },
    run: (hook, input, flow) =>
      new Promise((resolve) => {
        const settle: HookCall['settle'] = (_step, verdict) => {
          resolve(verdict)
          return false
        }
        group.call({ hook, flow, steps: [{ instance: 0, input }], settle })
      }),
    close: () => group.close(),
  }
}

/** The fields that each hook of the plugin receives. */
export function fieldsByHook(manifest: Manifest, scopes: Scopes): { [hook in HookName]?: readonly string[] } {
  const fields: { [hook in HookName]?: readonly string[] } = {}
  for (const hook of manifest.hooks) fields[hook] = fieldsOf(hook, scopes.reads)
  return fields
}

/** Any name of an upstream is accepted: only a configuration knows which upstreams exist. */
const formats = { ...pluginFormats, upstream: { expected: 'the name of an upstream', problem: () => undefined } }

function checkOptions(manifest: Manifest, options: unknown): unknown {
  const schema = manifest.options ?? { type: 'object', additionalProperties: false }
  const filled: unknown = structuredClone(options)
  const violations = compilePluginSchema(schema, formats)(filled)
  if (violations.length === 0) return filled
  const lines = violations.map(({ path, message }) => `options.${path.join('.')}: ${message}`)
  throw new Error(lines.join('\n'))
}
