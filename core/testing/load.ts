import { pathToFileURL } from 'node:url'
import { bundlePlugin } from '../sandbox/bundle.ts'
import type { Executor, OpenExecutor } from '../sandbox/executor.ts'
import { frame } from '../sandbox/frame.ts'
import { describePlugin, describeScopes } from '../sandbox/guest/describe.ts'
import { createDispatcher } from '../sandbox/guest/dispatcher.ts'
import { Guest } from '../sandbox/guest/guest.ts'
import { openInspector } from '../sandbox/inspect.ts'
import { readManifest, readScopes } from '../sandbox/manifest.ts'
import type { PluginCode, Scopes } from '../sandbox/plugin.ts'
import { PluginBuildError } from '../sandbox/plugin-build-error.ts'
import { readThrown } from '../sandbox/records.ts'
import { startOf } from '../sandbox/trace.ts'
import { op } from '../sandbox/wire.ts'

export interface LoadedPlugin {
  readonly code: PluginCode
  /** The plugin object when it runs in this process; otherwise `undefined`. */
  readonly object: object | undefined
  scopes(options: unknown): Scopes
}

/** @throws {PluginBuildError} when the file is not a valid plugin. */
export async function loadPlugin(path: string, mode: 'process' | 'isolate'): Promise<LoadedPlugin> {
  return mode === 'isolate' ? inIsolate(path) : inProcess(path)
}

async function inIsolate(path: string): Promise<LoadedPlugin> {
  const code = await bundlePlugin({ file: path, publisher: 'local' })
  return {
    code,
    object: undefined,
    scopes: (options) => {
      const inspector = openInspector(code.script, code)
      try {
        return inspector.scopes(options)
      } finally {
        inspector.close()
      }
    },
  }
}

async function inProcess(path: string): Promise<LoadedPlugin> {
  const module: { default?: unknown } = await import(/* @vite-ignore */ pathToFileURL(path).href)
  const object = module.default as object
  const manifest = readManifest(checked(describePlugin(object)), startOf(path))
  const map = JSON.stringify({ version: 3, sources: [], names: [], mappings: '' })
  return {
    code: { name: manifest.name, file: path, publisher: 'local', script: '', map, hash: path, manifest },
    object,
    scopes: (options) => readScopes(checked(describeScopes(object, JSON.stringify(options))), startOf(path)),
  }
}

function checked(description: string): string {
  if (!description.startsWith(op.error)) return description
  const { kind, message } = readThrown(description)
  throw new PluginBuildError([{ place: undefined, message: `${kind}: ${message}` }])
}

/** Runs a plugin in this process, for debugger and coverage, without limits of time and memory. */
export function processExecutor(plugin: object, setup: string): OpenExecutor {
  return (emit): Executor => {
    const guest = new Guest(plugin, setup, (id, record) => emit(0, id, record))
    const dispatcher = createDispatcher([guest.enter])
    return {
      cross: (steps) => ({ kind: 'done', output: dispatcher.dispatch(frame(steps)) }),
      heap: () => 0,
      held: () => 0,
      isCrowded: () => false,
      dispose: () => {},
    }
  }
}
