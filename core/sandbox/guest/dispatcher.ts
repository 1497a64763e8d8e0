import { bounds } from '../bounds.ts'
import { CHAINED, endsSegment, OPERATION, RECORD } from '../wire.ts'
import { broken } from './guest.ts'

export type Enter = (id: string, entry: number, text: string) => unknown

export interface Dispatcher {
  /** Does the steps of one crossing until the slice is over; `wire.ts` says how both strings are framed. */
  dispatch(steps: string): string
  /** What `dispatch` returned last: an unhandled rejection of a plugin makes the crossing throw after its work was done. */
  last(): string
}

/**
 * Chains the plugins of one group inside one crossing. It lives in a realm of its own and must stay out of theirs:
 * it passes and takes primitives only, and never touches an object they return or throw.
 *
 * @param plugins one for each plugin of the group; what is no function belongs to a plugin that did not start.
 * @param mark is told the place of each step before it is made, and -1 after it; a watchdog reads it elsewhere.
 */
export function createDispatcher(plugins: readonly Enter[], mark: (place: number) => void = () => {}): Dispatcher {
  let last = ''
  return {
    dispatch: (steps) => {
      const pieces = steps.split(RECORD)
      const began = Date.now()
      last = '0'
      let records = ''
      let ended = false
      let i = 0
      while (i < pieces.length) {
        const chained = pieces[i + 1]![0] === CHAINED
        if (chained && ended) {
          i += 4
          continue
        }
        const id = chained ? pieces[i + 1]!.slice(1) : pieces[i + 1]!
        const record = step(plugins[+pieces[i]!]!, id, +pieces[i + 2]!, pieces[i + 3]!, i / 4, pieces.length === 4)
        ended = endsSegment(record)
        if (record !== '') records += RECORD + id + OPERATION + record
        i += 4
        // A clock that is set back must not turn the slice into an hour.
        if (Math.abs(Date.now() - began) >= bounds.slice) break
      }
      last = records === '' && i >= pieces.length ? '' : i / 4 + records
      return last
    },
    last: () => last,
  }

  function step(enter: Enter, id: string, number: number, text: string, place: number, lone: boolean): string {
    let record: unknown
    mark(place)
    try {
      record = enter(id, number, text)
    } catch {
      record = broken
    }
    // What is left running of a lone step can only be its own.
    if (!lone) mark(-1)
    const sound =
      typeof record === 'string' && record.length <= bounds.record * 2 + bounds.body && !record.includes(RECORD)
    return sound ? (record as string) : broken
  }
}

/** Stores the marks where a thread outside sees them. */
export function createMark(progress: SharedArrayBuffer | undefined): ((place: number) => void) | undefined {
  if (progress === undefined) return undefined
  const cells = new Int32Array(progress)
  return (place) => {
    Atomics.store(cells, 1, place)
  }
}

/** From the arguments of a closure: the progress of the guard, then the plugins. */
export function openDispatcher(progress: SharedArrayBuffer | undefined, ...plugins: readonly Enter[]): Dispatcher {
  return createDispatcher(plugins, createMark(progress))
}
