import { bounds } from './bounds.ts'
import type { Cell, Crossing, Step } from './cell.ts'
import { createIsolate, failureOf, type Inside, type Isolate, openDispatcher, openRealm } from './isolate.ts'
import type { PluginLayout } from './layout.ts'
import { PluginBuildError } from './plugin-build-error.ts'
import { readThrown } from './records.ts'
import { locateThrown } from './trace.ts'
import { RECORD } from './wire.ts'

/**
 * One isolate for the plugins of a group: a context each, and one for the dispatcher that chains them.
 *
 * @param memory heap limit, MB.
 * @throws {PluginBuildError} when a plugin does not start.
 */
export function openIsolateCell(
  plugins: readonly PluginLayout[],
  memory: number,
  emit: (plugin: number, call: number, record: string) => void,
): Cell {
  const isolate = createIsolate(memory)
  try {
    const enters = plugins.map((plugin, index) => startPlugin(isolate, plugin, index, emit))
    const dispatcher = openDispatcher(isolate, enters)
    return new IsolateCell(isolate, dispatcher('dispatch'), dispatcher('last'))
  } catch (error) {
    if (!isolate.isDisposed) isolate.dispose()
    throw error
  }
}

function startPlugin(
  isolate: Isolate,
  { code, bindings }: PluginLayout,
  index: number,
  emit: (plugin: number, call: number, record: string) => void,
): Inside {
  try {
    const realm = openRealm(isolate, code.script, (id, record) => {
      if (typeof id === 'string' && typeof record === 'string') emit(index, Number(id), record)
    })
    const problem = realm('problem').call([], bounds.start) || realm('bind').call([bindings], bounds.start)
    if (problem !== '') throw new PluginBuildError([locateThrown(readThrown(problem), code)])
    return realm('enter')
  } catch (error) {
    if (error instanceof PluginBuildError) throw error
    const { kind, message } = failureOf(isolate, error)
    const what = { time: 'took too long', memory: 'took too much memory', thrown: `failed: ${message}` }[kind]
    throw new PluginBuildError([`plugin "${code.name}": its start ${what}`])
  }
}

class IsolateCell implements Cell {
  readonly #isolate: Isolate
  readonly #dispatch: Inside
  readonly #last: Inside

  constructor(isolate: Isolate, dispatch: Inside, last: Inside) {
    this.#isolate = isolate
    this.#dispatch = dispatch
    this.#last = last
  }

  cross(steps: readonly Step[], timeout: number): Crossing {
    try {
      return { kind: 'done', output: this.#dispatch.call([frame(steps)], timeout) }
    } catch (error) {
      const failure = failureOf(this.#isolate, error)
      if (failure.kind !== 'thrown') return failure
      // A promise that nobody handles makes the crossing throw when its work is done, and only then.
      try {
        const output = this.#last.call([], timeout)
        return output === '0' ? failure : { kind: 'done', output, rejection: failure.message }
      } catch (again) {
        return failureOf(this.#isolate, again)
      }
    }
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }
}

/** One string and not many arguments: from eight calls on that is half the cost. */
export function frame(steps: readonly Step[]): string {
  let text = ''
  for (const step of steps) {
    if (text !== '') text += RECORD
    text += step.plugin + RECORD + step.call + RECORD + step.entry + RECORD + step.text
  }
  return text
}
