import { unfinished } from '../frame.ts'
import { refuseCodeFromText } from './code-from-text.ts'
import { GuestCrossing } from './crossing.ts'
import type { CrossingSetting, Port } from './crossing-setting.ts'
import { Leases } from './leases.ts'
import { boundMemory } from './memory.ts'
import type { Enter, Start } from './run.ts'
import { sealRealm } from './seal.ts'

export interface Dispatcher {
  /**
   * Runs the steps of one crossing until the time slice is over; `frame.ts` has the format of both strings. Returns
   * `unfinished` when hooks continue in microtasks: then `Port.finish` receives the output.
   */
  dispatch(crossing: string): string
  /**
   * The output of the last crossing. Needed when `dispatch` throws, after its work is done, for an unhandled rejection.
   */
  last(): string
}

/**
 * Runs the plugins of one group inside one crossing. It has a realm of its own and must stay out of theirs: it passes
 * and takes primitives only, and never touches an object that they return or throw.
 *
 * @param plugins by the plugin's index; not a function when the plugin did not start.
 * @param mark takes the index of each step before it runs, and -1 after it, for a watchdog in another thread.
 * @param port Default: hooks that wait get no answer during the crossing.
 * @param leases Default: the host decides all takes of counters.
 * @param starts as `plugins`, for members of runs. Default: `plugins` serve them too.
 */
export function createDispatcher(
  plugins: readonly Enter[],
  mark: (index: number) => void = () => {},
  port?: Port,
  leases?: Leases,
  starts: readonly (Start | undefined)[] = [],
): Dispatcher {
  let last = ''
  const onEnd = (output: string): void => {
    last = output
    port?.finish(output)
  }
  const setting: CrossingSetting = { plugins, starts, runs: [], mark, port, leases, onEnd }
  return {
    dispatch: (text) => {
      last = unfinished
      const crossing = new GuestCrossing(setting, text)
      if (crossing.run()) last = crossing.output
      return last
    },
    last: () => last,
  }
}

/** Stores the marks in shared memory, for a thread outside. */
export function createMark(progress: SharedArrayBuffer | undefined): ((index: number) => void) | undefined {
  if (progress === undefined) return undefined
  const words = new Int32Array(progress)
  // A plain store: the watchdog reads every 25 ms and needs no ordering; Atomics.store would be two calls for each
  // step.
  return (index) => {
    words[1] = index
  }
}

/**
 * Takes the arguments of a closure: the guard's progress, the host's two callbacks, the entries of the counter leases,
 * how many shared memories they need and these (the journal first), then two functions of each plugin. It keeps them in
 * closures and seals its realm, so that an object of the realm would be of no use to a plugin.
 */
export function openDispatcher(
  progress: SharedArrayBuffer | undefined,
  answer: Port['answer'] | undefined,
  finish: Port['finish'],
  entries: string | undefined,
  memories: number,
  ...others: readonly unknown[]
): Dispatcher {
  const mark = createMark(progress)
  const functions = others.slice(memories)
  const plugins = functions.filter((_, i) => i % 2 === 0) as Enter[]
  const starts = functions.filter((_, i) => i % 2 === 1) as Start[]
  const [journal, ...slots] = others.slice(0, memories) as SharedArrayBuffer[]
  const leases = entries === undefined || journal === undefined ? undefined : new Leases(entries, journal, slots)
  const port = answer === undefined ? undefined : { answer, finish }
  const dispatcher = Object.freeze(createDispatcher(plugins, mark, port, leases, starts))
  const scope = globalThis as Record<string, unknown>
  refuseCodeFromText(scope)
  boundMemory(scope)
  sealRealm(scope)
  return dispatcher
}
