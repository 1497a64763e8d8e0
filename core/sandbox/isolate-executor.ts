import { bounds } from './bounds.ts'
import type { CrossingGuard } from './crossing-guard.ts'
import type { Answer, Crossing, Emit, Executor, Step } from './executor.ts'
import { frame, readPieces, unfinished } from './frame.ts'
import {
  createIsolate,
  failureOf,
  type HostPort,
  heapOf,
  type Inside,
  type Isolate,
  openDispatcher,
  openRealm,
} from './isolate.ts'
import type { PluginLayout } from './layout.ts'
import { StartError } from './plugin-build-error.ts'
import { cutThrown, readThrown } from './records.ts'
import { locateThrown, type Thrown } from './trace.ts'
import { RECORD } from './wire.ts'

export interface IsolateExecutorOptions {
  readonly plugins: readonly PluginLayout[]
  /** Heap limit, MB. */
  readonly memory: number
  readonly emit: Emit
  /** Default: hooks get no answer before the crossing is over. */
  readonly answer?: Answer
  readonly guard?: CrossingGuard | undefined
  /** Indexes of plugins to leave out. Default: none. */
  readonly without?: ReadonlySet<number>
}

/**
 * Opens one isolate for the plugins of a group: one context for each plugin, and one for the dispatcher.
 *
 * @throws {StartError} when a plugin does not start.
 */
export function openIsolateExecutor({
  plugins,
  memory,
  emit,
  answer,
  guard,
  without,
}: IsolateExecutorOptions): Executor {
  const isolate = createIsolate(memory)
  try {
    const enters = plugins.map((plugin, index) =>
      without?.has(index) === true
        ? undefined
        : underGuard(guard, plugin, () => startPlugin(isolate, plugin, index, memory, emit)),
    )
    const port = answer === undefined ? undefined : new ExecutorPort(answer)
    const dispatcher = openDispatcher(isolate, enters, guard?.progress, port)
    return new IsolateExecutor(isolate, port, dispatcher('dispatch'), dispatcher('last'))
  } catch (error) {
    if (!isolate.isDisposed) isolate.dispose()
    throw error
  }
}

/** Announces the start of a plugin to the guard, because it runs the plugin's code. */
function underGuard<T>(guard: CrossingGuard | undefined, { code }: PluginLayout, run: () => T): T {
  if (guard === undefined) return run()
  guard.enter([{ hash: code.hash, plugin: code.name, policy: '', hook: 'start', flow: '' }], bounds.start)
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
  { code, setup }: PluginLayout,
  index: number,
  memory: number,
  emit: Emit,
): Inside {
  try {
    const realm = openRealm(isolate, code.script, (id, record) => {
      if (typeof id !== 'number' || typeof record !== 'string') return
      if (record.length <= bounds.hostRecord + bounds.body) emit(index, id, record)
    })
    const problem = realm('problem').call([], bounds.start) || realm('setUp').call([setup], bounds.start)
    if (problem !== '') throw new StartError(index, locateThrown(readThrown(problem), code))
    return realm('enter')
  } catch (error) {
    if (error instanceof StartError) throw error
    const { kind, message } = failureOf(isolate, error)
    const time = `took more than ${bounds.start} ms`
    const what = { time, memory: `used more than ${memory} MB`, thrown: `failed: ${message}` }[kind]
    throw new StartError(index, { place: undefined, message: `plugin "${code.name}": starting the module ${what}` })
  }
}

/** Serves the dispatcher while a crossing runs. */
class ExecutorPort implements HostPort {
  /** Output of a crossing whose hooks waited. */
  output: string | undefined = undefined
  readonly answer: (asked: unknown) => string

  constructor(answer: Answer) {
    this.answer = (asked) => {
      const pieces = readPieces(String(asked))
      let answers = ''
      for (let i = 0; i + 1 < pieces.length; i += 2) answers += answer(Number(pieces[i]), pieces[i + 1]!) + RECORD
      return answers
    }
  }

  readonly finish = (output: unknown): void => {
    this.output = String(output)
  }
}

/** An error that isolated-vm has copied out of a plugin's realm, as text. */
function thrownOf(error: unknown): Thrown {
  if (!(error instanceof Error)) return cutThrown('', `${String(error)} (rejected with this, which is no Error)`, '')
  return cutThrown(error.name, error.message, error.stack ?? '')
}

class IsolateExecutor implements Executor {
  readonly #isolate: Isolate
  readonly #port: ExecutorPort | undefined
  readonly #dispatch: Inside
  readonly #last: Inside

  constructor(isolate: Isolate, port: ExecutorPort | undefined, dispatch: Inside, last: Inside) {
    this.#isolate = isolate
    this.#port = port
    this.#dispatch = dispatch
    this.#last = last
  }

  cross(steps: readonly Step[], timeout: number): Crossing {
    if (this.#port !== undefined) this.#port.output = undefined
    try {
      const returned = this.#dispatch.call([frame(steps)], timeout)
      const output = this.#port?.output ?? returned
      if (output === unfinished) return { kind: 'thrown', message: 'the crossing did not end' }
      return { kind: 'done', output }
    } catch (error) {
      const failure = failureOf(this.#isolate, error)
      if (failure.kind !== 'thrown') return failure
      // An unhandled rejection makes the crossing throw, but only after all its work is done.
      try {
        const output = this.#last.call([], timeout)
        return output === unfinished ? failure : { kind: 'done', output, rejection: thrownOf(error) }
      } catch (again) {
        return failureOf(this.#isolate, again)
      }
    }
  }

  heap(): number {
    return heapOf(this.#isolate)
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }
}
