import { bounds } from './bounds.ts'
import { createIsolate, failureOf, type Isolate, openRealm } from './isolate.ts'
import { readManifest, readScopes } from './manifest.ts'
import type { Manifest, Scopes } from './plugin.ts'
import { type Place, PluginBuildError } from './plugin-build-error.ts'
import { readThrown } from './records.ts'
import { locateThrown, type Origin, startOf } from './trace.ts'
import { op } from './wire.ts'

/** A temporary isolate that runs a plugin's module and reads its declarations. Uses about 1 MB until it is closed. */
export interface Inspector {
  readonly manifest: Manifest
  /** CPU time that starting the module took, ms. */
  readonly startTime: number
  /**
   * Evaluates `reads`, `writes` and `when` for a policy's options.
   *
   * @param options plain JSON data, defaults filled in.
   * @throws {PluginBuildError} when they throw, take more than 250 ms or do not have the right form.
   */
  scopes(options: unknown): Scopes
  close(): void
}

/**
 * Runs the module in two realms and compares what they say: declarations that depend on chance or time would be agreed to
 * once, and be different when the gateway reads them again.
 *
 * @param script as in `PluginCode`.
 * @param origin a `PluginCode`. With it, errors name file, line and column of the sources.
 * @throws {PluginBuildError} when the module throws on start, or the default export is not a valid plugin.
 */
export function openInspector(script: string, origin?: Origin): Inspector {
  const place = origin && startOf(origin.file)
  const isolate = createIsolate(memory)
  const open = (): ReturnType<typeof openRealm> => {
    return runInside(isolate, place, 'start', () => openRealm(isolate, script, () => {}))
  }
  try {
    const before = process.threadCpuUsage()
    const realms = [open(), open()]
    const { user, system } = process.threadCpuUsage(before)
    const ask = (name: 'problem' | 'describe' | 'scopes', values: string[]): string => {
      const [first = '', second] = realms.map((realm) =>
        runInside(isolate, place, name, () => realm(name).call(values, activities[name].limit)),
      )
      if (name === 'problem' ? first !== '' : first.startsWith(op.error)) throw broken(first, origin)
      if (first !== second) throw new PluginBuildError([{ place, message: `${activities[name].title} ${unsteady}` }])
      return first
    }
    ask('problem', [])
    return {
      manifest: readManifest(ask('describe', []), place),
      startTime: (user + system) / 2_000,
      scopes: (options) => readScopes(ask('scopes', [JSON.stringify(options ?? {})]), place),
      close: () => {
        if (!isolate.isDisposed) isolate.dispose()
      },
    }
  } catch (error) {
    if (!isolate.isDisposed) isolate.dispose()
    throw error
  }
}

const unsteady = 'gave two different results; what a plugin declares may depend on the options of its policy only'

/** Heap limit of the isolate, MB. */
const memory = 64

/** What the isolate does, and its time limit, ms. */
const activities = {
  start: { title: 'starting the module', limit: bounds.start },
  problem: { title: 'starting the module', limit: bounds.start },
  describe: { title: 'reading the plugin', limit: bounds.start },
  scopes: { title: 'evaluating reads and writes', limit: bounds.scopes },
} as const

/** Runs plugin code; turns what ended it from outside into a `PluginBuildError`. */
function runInside<T>(isolate: Isolate, place: Place | undefined, activity: keyof typeof activities, run: () => T): T {
  const { title, limit } = activities[activity]
  const problem = (what: string): PluginBuildError => new PluginBuildError([{ place, message: `${title} ${what}` }])
  if (isolate.isDisposed) throw problem('failed: the isolate is closed')
  const began = performance.now()
  try {
    return run()
  } catch (error) {
    const failure = failureOf(isolate, error, began, limit)
    const time = `took more than ${limit} ms`
    const what = { time, memory: `used more than ${memory} MB`, thrown: `failed: ${failure.message}` }[failure.kind]
    // Code of the plugin may still be waiting to run, so the isolate cannot be used again.
    if (!isolate.isDisposed) isolate.dispose()
    throw problem(what)
  }
}

function broken(encoded: string, origin: Origin | undefined): PluginBuildError {
  const thrown = readThrown(encoded)
  return new PluginBuildError([
    origin === undefined
      ? { place: undefined, message: `${thrown.kind}: ${thrown.message}` }
      : locateThrown(thrown, origin),
  ])
}
