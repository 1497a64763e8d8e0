import { unfinished } from '../frame.ts'
import { type CrossingSetting, type Enter, GuestCrossing, type Port } from './crossing.ts'

export interface Dispatcher {
  /**
   * Does the steps of one crossing until the slice is over; `frame.ts` says what both strings look like. Gives
   * `unfinished` when hooks go on in microtasks: then `Port.finish` gets the output.
   */
  dispatch(crossing: string): string
  /** The output of the last crossing: an unhandled rejection of a plugin makes it throw after its work was done. */
  last(): string
}

/**
 * Chains the plugins of one group inside one crossing. It lives in a realm of its own and must stay out of theirs:
 * it passes and takes primitives only, and never touches an object they return or throw.
 *
 * @param plugins one for each plugin of the group; what is no function belongs to a plugin that did not start.
 * @param mark takes the index of each step before it runs, and -1 after it, for a watchdog in another thread.
 * @param port Default: hooks that wait are left to themselves.
 */
export function createDispatcher(
  plugins: readonly Enter[],
  mark: (index: number) => void = () => {},
  port?: Port,
): Dispatcher {
  let last = ''
  const onEnd = (output: string): void => {
    last = output
    port?.finish(output)
  }
  const setting: CrossingSetting = { plugins, mark, port, onEnd }
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

/** Stores the marks where a thread outside sees them. */
export function createMark(progress: SharedArrayBuffer | undefined): ((index: number) => void) | undefined {
  if (progress === undefined) return undefined
  const words = new Int32Array(progress)
  // A plain store: the watchdog looks every 25 ms and needs no order, and Atomics.store is a call, twice a step.
  return (index) => {
    words[1] = index
  }
}

/** From the arguments of a closure: the progress of the guard, the host's two callbacks, then the plugins. */
export function openDispatcher(
  progress: SharedArrayBuffer | undefined,
  answer: Port['answer'] | undefined,
  finish: Port['finish'],
  ...plugins: readonly Enter[]
): Dispatcher {
  return createDispatcher(plugins, createMark(progress), answer === undefined ? undefined : { answer, finish })
}
