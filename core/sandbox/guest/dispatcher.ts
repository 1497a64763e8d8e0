import { none } from '../frame.ts'
import { refuseCodeFromText } from './code-from-text.ts'
import { GuestCrossing } from './crossing.ts'
import type { CrossingSetting } from './crossing-setting.ts'
import { Leases } from './leases.ts'
import { boundMemory } from './memory.ts'
import type { Enter, Start } from './run.ts'
import { sealRealm } from './seal.ts'

export interface Dispatcher {
  /** Runs the steps of one crossing until the time slice is over; `frame.ts` has the format of both strings. */
  dispatch(crossing: string): string
  /** Continues a crossing in which hooks wait, once its microtasks are over. */
  goOn(answers: string): string
  /**
   * The last result of the two above, or `none`. Needed when one throws, after its work is done, for an
   * unhandled rejection.
   */
  last(): string
}

/**
 * Runs the plugins of one group inside one crossing. It has a realm of its own and must stay out of theirs: it passes
 * and takes primitives only, and never touches an object that they return or throw.
 *
 * @param plugins by the plugin's index; not a function when the plugin did not start.
 * @param mark takes the index of each step before it runs, and -1 after it, for a watchdog in another thread.
 * @param canWait whether `goOn` is called for hooks that wait. Default: they get no answer during the crossing.
 * @param leases Default: the host decides all takes of counters.
 * @param starts as `plugins`, for members of runs. Default: `plugins` serve them too.
 */
export function createDispatcher(
  plugins: readonly Enter[],
  mark: (index: number) => void = () => {},
  canWait: boolean = false,
  leases?: Leases,
  starts: readonly (Start | undefined)[] = [],
): Dispatcher {
  let last = none
  let crossing: GuestCrossing | undefined
  const setting: CrossingSetting = { plugins, starts, runs: [], mark, canWait, leases }
  return {
    dispatch: (text) => {
      last = none
      crossing = new GuestCrossing(setting, text)
      last = crossing.begin()
      return last
    },
    goOn: (answers) => {
      last = none
      last = crossing!.goOn(answers)
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
 * Takes the arguments of a closure: the guard's progress, whether the host answers, the entries of the counter leases, how
 * many shared memories they need and these (the journal first), then two functions of each plugin. It keeps them in closures
 * and seals its realm, so that an object of the realm would be of no use to a plugin.
 */
export function openDispatcher(
  progress: SharedArrayBuffer | undefined,
  canWait: boolean,
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
  const dispatcher = Object.freeze(createDispatcher(plugins, mark, canWait, leases, starts))
  const scope = globalThis as Record<string, unknown>
  refuseCodeFromText(scope)
  boundMemory(scope)
  sealRealm(scope)
  return dispatcher
}
