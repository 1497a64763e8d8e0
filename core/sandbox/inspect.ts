import { readCpuTime } from '../grants/cpu-time.ts'
import { bounds } from './bounds.ts'
import { CpuTrial } from './cpu-trial.ts'
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
   * @throws {PluginBuildError} when they throw, use more than 250 ms of CPU time or do not have the right form.
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
  let subject = start(script, place)
  const ask = (name: 'problem' | 'describe' | 'scopes', values: string[]): string => {
    const { title, limit } = activities[name]
    const trial = new CpuTrial(limit, surplus)
    for (;;) {
      const { isolate, realms } = subject
      const call = (realm: Open): string | undefined =>
        attempt(isolate, place, title, trial, (timeout) => realm(name).call(values, timeout))
      const first = call(realms[0])
      const second = first === undefined ? undefined : call(realms[1])
      if (first !== undefined && second !== undefined) {
        if (name === 'problem' ? first !== '' : first.startsWith(op.error)) throw broken(first, origin)
        if (first !== second) throw new PluginBuildError([{ place, message: `${title} ${unsteady}` }])
        return first
      }
      subject = start(script, place)
    }
  }
  const close = (): void => {
    if (!subject.isolate.isDisposed) subject.isolate.dispose()
  }
  try {
    ask('problem', [])
    const manifest = readManifest(ask('describe', []), place)
    return {
      manifest,
      startTime: subject.startTime,
      scopes: (options) => readScopes(ask('scopes', [JSON.stringify(options ?? {})]), place),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

type Open = ReturnType<typeof openRealm>

/** The module in its two realms. */
interface Subject {
  readonly isolate: Isolate
  readonly realms: readonly [Open, Open]
  /** CPU time that each of them took, ms. */
  readonly startTime: number
}

function start(script: string, place: Place | undefined): Subject {
  const { title, limit } = activities.start
  const trial = new CpuTrial(limit, surplus)
  for (;;) {
    const isolate = createIsolate(memory)
    const before = readCpuTime().thread
    const open = (): Open | undefined =>
      attempt(isolate, place, title, trial, (timeout) => openRealm(isolate, script, () => {}, timeout))
    const first = open()
    const second = first && open()
    const startTime = (readCpuTime().thread - before) / 2
    if (first !== undefined && second !== undefined) return { isolate, realms: [first, second], startTime }
  }
}

const unsteady = 'gave two different results; what a plugin declares may depend on the options of its policy only'

/** Of a `CpuTrial`, ms: no request waits for a check, which has a deadline of its own. */
const surplus = 10_000

/** Heap limit of the isolate, MB. */
const memory = 64

/** What the isolate does, and the CPU time that it may take, ms. */
const activities = {
  start: { title: 'starting the module', limit: bounds.start },
  problem: { title: 'starting the module', limit: bounds.start },
  describe: { title: 'reading the plugin', limit: bounds.start },
  scopes: { title: 'evaluating reads and writes', limit: bounds.scopes },
} as const

/**
 * Runs plugin code; turns what ended it from outside into a `PluginBuildError`. Returns `undefined` when only the clock
 * has ended it: it may try again, in another isolate.
 */
function attempt<T>(
  isolate: Isolate,
  place: Place | undefined,
  title: string,
  trial: CpuTrial,
  run: (timeout: number) => T,
): T | undefined {
  const problem = (what: string): PluginBuildError => new PluginBuildError([{ place, message: `${title} ${what}` }])
  if (isolate.isDisposed) throw problem('failed: the isolate is closed')
  const timeout = trial.begin()
  const began = performance.now()
  try {
    return run(timeout)
  } catch (error) {
    const failure = failureOf(isolate, error, began, timeout)
    const ruling = failure.kind === 'time' ? trial.ended() : 'exceeded'
    const what = { time: trial.failure, memory: `used more than ${memory} MB`, thrown: `failed: ${failure.message}` }[
      failure.kind
    ]
    // Code of the plugin may still be waiting to run, so the isolate cannot be used again.
    if (!isolate.isDisposed) isolate.dispose()
    if (ruling === 'again') return undefined
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
