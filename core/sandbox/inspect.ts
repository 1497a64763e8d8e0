import { relative } from 'node:path'
import { bounds } from './bounds.ts'
import { createIsolate, failureOf, type Isolate, openRealm } from './isolate.ts'
import { readManifest, readScopes } from './manifest.ts'
import type { Manifest, Scopes } from './plugin.ts'
import { PluginBuildError } from './plugin-build-error.ts'
import { readThrown } from './records.ts'
import { locateThrown, type Origin, type Thrown } from './trace.ts'
import { op } from './wire.ts'

/** A temporary isolate that runs a plugin's module and reads its declarations. Uses about 1 MB until it is closed. */
export interface Inspector {
  readonly manifest: Manifest
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
 * @param script as in `PluginCode`.
 * @param origin a `PluginCode`. With it, errors name file, line and column of the sources.
 * @throws {PluginBuildError} when the module throws on start, or the default export is not a valid plugin.
 */
export function openInspector(script: string, origin?: Origin): Inspector {
  const where = origin === undefined ? '' : `${relative(process.cwd(), origin.file)}:1:1: `
  const isolate = createIsolate(memory)
  try {
    const realm = runInside(isolate, where, 'start', () => openRealm(isolate, script, () => {}))
    const ask = (name: 'problem' | 'describe' | 'scopes', values: string[]): string => {
      return runInside(isolate, where, name, () => realm(name).call(values, activities[name].limit))
    }
    const problem = ask('problem', [])
    if (problem !== '') throw broken(readThrown(problem), origin)
    const description = ask('describe', [])
    if (description.startsWith(op.error)) throw broken(readThrown(description), origin)
    return {
      manifest: readManifest(description, where),
      scopes: (options) => {
        const text = ask('scopes', [JSON.stringify(options ?? {})])
        if (text.startsWith(op.error)) throw broken(readThrown(text), origin)
        return readScopes(text, where)
      },
      close: () => {
        if (!isolate.isDisposed) isolate.dispose()
      },
    }
  } catch (error) {
    if (!isolate.isDisposed) isolate.dispose()
    throw error
  }
}

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
function runInside<T>(isolate: Isolate, where: string, activity: keyof typeof activities, run: () => T): T {
  const { title, limit } = activities[activity]
  if (isolate.isDisposed) throw new PluginBuildError([`${where}${title} failed: the isolate is closed`])
  try {
    return run()
  } catch (error) {
    const failure = failureOf(isolate, error)
    const time = `took more than ${limit} ms`
    const what = { time, memory: `used more than ${memory} MB`, thrown: `failed: ${failure.message}` }[failure.kind]
    // Code of the plugin may still be waiting to run, so the isolate cannot be used again.
    if (!isolate.isDisposed) isolate.dispose()
    throw new PluginBuildError([`${where}${title} ${what}`])
  }
}

function broken(thrown: Thrown, origin: Origin | undefined): PluginBuildError {
  return new PluginBuildError([
    origin === undefined ? `${thrown.kind}: ${thrown.message}` : locateThrown(thrown, origin),
  ])
}
