import { bounds } from './bounds.ts'
import type { ConsoleLines } from './console-lines.ts'
import { CpuTrial } from './cpu-trial.ts'
import type { CrossingGuard } from './crossing-guard.ts'
import type { LeaseMemory } from './crossing-leases.ts'
import type { Answer, Crossing, Emit, Executor, Step } from './executor.ts'
import { frame, none, type RunsText, readPieces, shapePiece, unfinished } from './frame.ts'
import type { Dispatcher } from './guest/dispatcher.ts'
import {
  createIsolate,
  type Entrance,
  failureOf,
  heapOf,
  heldBy,
  type Inside,
  type Isolate,
  openDispatcher,
  openRealm,
} from './isolate.ts'
import type { PluginLayout } from './layout.ts'
import { StartError } from './plugin-build-error.ts'
import { cutThrown, readThrown } from './records.ts'
import type { RunShape } from './run-shape.ts'
import { locateThrown, type Thrown } from './trace.ts'
import { RECORD } from './wire.ts'

export interface IsolateExecutorOptions {
  readonly plugins: readonly PluginLayout[]
  /** Heap limit, MB. */
  readonly memory: number
  readonly emit: Emit
  /** Default: hooks get no answer before the crossing is over. */
  readonly answer?: Answer
  /** Counter leases from which the dispatcher decides. Default: the host decides all takes. */
  readonly leases?: LeaseMemory | undefined
  readonly guard?: CrossingGuard | undefined
  /** Takes what plugins write to `console`. Default: it is dropped. */
  readonly console?: ConsoleLines | undefined
  /** Indexes of plugins to leave out. Default: none. */
  readonly without?: ReadonlySet<number>
}

/**
 * Opens one isolate for the plugins of a group: one context for each plugin, and one for the dispatcher.
 *
 * @throws {StartError} when a plugin does not start.
 */
export function openIsolateExecutor(options: IsolateExecutorOptions): Executor {
  const trials = options.plugins.map((plugin) => new CpuTrial(startLimit(plugin)))
  for (;;) {
    try {
      return open(options, trials)
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error
    }
  }
}

/** The clock has ended the start of a module that has not used its CPU time: it may try again. */
class NotStarted extends StartError {}

/** @param trials of the start of each module. */
function open(options: IsolateExecutorOptions, trials: readonly CpuTrial[]): Executor {
  const { plugins, memory, answer, leases, guard, without } = options
  const isolate = createIsolate(memory)
  /** What each module has left in memory, MB. */
  const left = plugins.map(() => 0)
  try {
    let heap = heapOf(isolate)
    const entrances = plugins.map((plugin, index) => {
      if (without?.has(index) === true) return undefined
      const trial = trials[index]!
      const limit = trial.begin()
      const entrance = underGuard(guard, plugin, limit, () => startPlugin(isolate, options, index, limit, trial))
      const before = heap
      heap = heapOf(isolate)
      left[index] = heap - before
      refuseBallast(plugins, left, heap, memory)
      return entrance
    })
    const dispatcher = openDispatcher(isolate, entrances, guard?.progress, answer !== undefined, leases)
    return new IsolateExecutor(isolate, memory, answer, dispatcher, options.console)
  } catch (error) {
    if (!isolate.isDisposed) isolate.dispose()
    throw error
  } finally {
    options.console?.flush()
  }
}

/**
 * CPU time for starting a module, ms. Every client of the worker waits meanwhile, each time that an isolate is replaced.
 */
function startLimit({ code }: PluginLayout): number {
  const { start, startAtLeast, startFactor } = bounds
  return Math.min(start, Math.max(startAtLeast, Math.ceil((code.startTime ?? start) * startFactor)))
}

/**
 * Modules that fill most of the memory leave none for calls, which then fail without a fault of their own. The one that
 * has left most in it is at fault, which need not be the last one.
 */
function refuseBallast(plugins: readonly PluginLayout[], left: readonly number[], heap: number, memory: number): void {
  if (heap <= Math.max(memory * 0.75, memory - 16)) return
  const own = Math.max(...left)
  const index = left.indexOf(own)
  const message = `plugin "${plugins[index]!.code.name}": its module has left ${Math.round(own)} MB in memory; before any call ${Math.round(heap)} of ${memory} MB are in use: raise limits.memory`
  throw new StartError(index, 'memory', { place: undefined, message })
}

/**
 * Announces the start of a plugin to the guard, because it runs the plugin's code.
 *
 * @param limit time on the clock, ms.
 */
function underGuard<T>(guard: CrossingGuard | undefined, { code }: PluginLayout, limit: number, run: () => T): T {
  if (guard === undefined) return run()
  guard.enter([{ hash: code.hash, plugin: code.name, policy: '', hook: 'start', flow: '' }], limit)
  const progress = new Int32Array(guard.progress)
  Atomics.store(progress, 1, 0)
  try {
    return run()
  } finally {
    Atomics.store(progress, 1, -1)
    guard.leave()
  }
}

function startPlugin(
  isolate: Isolate,
  { plugins, memory, emit, console }: IsolateExecutorOptions,
  index: number,
  limit: number,
  trial: CpuTrial,
): Entrance {
  const { code, setup } = plugins[index]!
  let began = performance.now()
  try {
    const onRecord = (id: unknown, record: unknown): void => {
      if (typeof id !== 'number' || typeof record !== 'string') return
      if (record.length <= bounds.hostRecord + bounds.body) emit(index, id, record)
    }
    const say = (text: unknown): boolean => console?.write(code, text) === true
    const realm = openRealm(isolate, code.script, onRecord, limit, say, index)
    began = performance.now()
    const problem = realm('problem').call([], limit) || realm('setUp').call([setup], limit)
    if (problem !== '') throw new StartError(index, 'thrown', locateThrown(readThrown(problem), code))
    return { enter: realm('enter'), start: realm('start') }
  } catch (error) {
    if (error instanceof StartError) throw error
    const { kind, message } = failureOf(isolate, error, began, limit)
    const ruling = kind === 'time' ? trial.ended() : 'exceeded'
    const what = { time: trial.failure, memory: `used more than ${memory} MB`, thrown: `failed: ${message}` }[kind]
    const problem = { place: undefined, message: `plugin "${code.name}": starting the module ${what}` }
    const Kind = ruling === 'again' ? NotStarted : StartError
    // Without the CPU time used it weighs no more than an error.
    throw new Kind(index, ruling === 'starved' ? 'thrown' : kind, problem)
  }
}

/** An error that isolated-vm has copied out of a plugin's realm, as text. */
function thrownOf(error: unknown): Thrown {
  if (!(error instanceof Error)) return cutThrown('', `${String(error)} (rejected with this, which is no Error)`, '')
  return cutThrown(error.name, error.message, error.stack ?? '')
}

class IsolateExecutor implements Executor {
  readonly #isolate: Isolate
  /** From this heap on it is crowded, MB: half of the limit, unless the modules themselves take most of that. */
  readonly #crowded: number
  readonly #answer: Answer | undefined
  readonly #dispatch: Inside
  readonly #goOn: Inside
  readonly #last: Inside
  readonly #console: ConsoleLines | undefined
  /** What the dispatcher has yet to learn: see `frame.ts`. */
  #shapes = ''

  constructor(
    isolate: Isolate,
    memory: number,
    answer: Answer | undefined,
    dispatcher: (name: keyof Dispatcher) => Inside,
    console: ConsoleLines | undefined,
  ) {
    this.#isolate = isolate
    this.#crowded = Math.max(memory / 2, heapOf(isolate) + memory / 4)
    this.#answer = answer
    this.#dispatch = dispatcher('dispatch')
    this.#goOn = dispatcher('goOn')
    this.#last = dispatcher('last')
    this.#console = console
  }

  learn(shape: RunShape): void {
    this.#shapes += shapePiece(shape)
  }

  cross(steps: readonly Step[], timeout: number, runs?: RunsText): Crossing {
    try {
      return this.#cross(steps, timeout, runs)
    } finally {
      this.#console?.flush()
    }
  }

  #cross(steps: readonly Step[], timeout: number, runs: RunsText | undefined): Crossing {
    const all = runs && { first: runs.first, text: this.#shapes + runs.text }
    if (runs !== undefined) this.#shapes = ''
    const began = performance.now()
    let rejection: Thrown | undefined
    let inside = this.#dispatch
    let text = frame(steps, all)
    for (let left = timeout; ; ) {
      let result: string
      try {
        result = inside.call([text], left)
      } catch (error) {
        const failure = failureOf(this.#isolate, error, began, timeout)
        if (failure.kind !== 'thrown') return failure
        // An unhandled rejection makes the round throw, but only after all its work is done.
        rejection ??= thrownOf(error)
        try {
          result = this.#last.call([], left)
        } catch (again) {
          return failureOf(this.#isolate, again, began, timeout)
        }
        if (result === none) return failure
      }
      if (!result.startsWith(unfinished)) return { kind: 'done', output: result, ...(rejection && { rejection }) }
      text = this.#answersTo(result)
      inside = this.#goOn
      left = Math.ceil(began + timeout - performance.now())
      if (left <= 0) return { kind: 'time', message: 'the rounds of the crossing took too long' }
    }
  }

  #answersTo(result: string): string {
    const pieces = readPieces(result, unfinished.length)
    let answers = ''
    for (let i = 0; i + 1 < pieces.length; i += 2) answers += this.#answer!(Number(pieces[i]), pieces[i + 1]!) + RECORD
    return answers
  }

  heap(): number {
    return heapOf(this.#isolate)
  }

  held(): number {
    return heldBy(this.#isolate)
  }

  isCrowded(): boolean {
    return heapOf(this.#isolate) > this.#crowded
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }
}
