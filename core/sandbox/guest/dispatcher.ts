import { bounds } from '../bounds.ts'
import { kinds, threeDigits, twoDigits, unfinished } from '../frame.ts'
import { endsSegment, entry, RECORD, UNIT } from '../wire.ts'
import { broken } from './guest.ts'

export type Enter = (id: number, entry: number, text: string) => unknown

export interface Dispatcher {
  /** Does the steps of one crossing until the slice is over; `frame.ts` says what both strings look like. */
  dispatch(crossing: string): string
  /** What `dispatch` returned last: an unhandled rejection of a plugin makes the crossing throw after its work was done. */
  last(): string
}

const start = kinds.start.charCodeAt(0)
const chained = kinds.chained.charCodeAt(0)
const resume = kinds.resume.charCodeAt(0)

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
    dispatch: (crossing) => {
      const began = Date.now()
      last = unfinished
      const steps = crossing.split(RECORD)
      const { length } = steps
      let id = +steps[0]!
      let records = ''
      let silent = true
      let ended = false
      let i = 1
      while (i < length) {
        const text = steps[i]!
        const kind = text.charCodeAt(0)
        const isStart = kind === start || kind === chained
        let record = ''
        if (kind !== chained || !ended) {
          record = isStart ? begin(id, text, i - 1, length === 2) : tell(text, kind, i - 1, length === 2)
          // Whoever is chained to it is the next one.
          ended = i + 1 < length && steps[i + 1]!.charCodeAt(0) === chained && endsSegment(record)
          if (record !== '') silent = false
        }
        if (isStart) id++
        records += record + RECORD
        i++
        // A clock that is set back must not turn the slice into an hour.
        if (Math.abs(Date.now() - began) >= bounds.slice) break
      }
      last = silent && i >= length ? '' : records
      return last
    },
    last: () => last,
  }

  function begin(id: number, text: string, place: number, lone: boolean): string {
    return step(plugins[twoDigits(text, 1)]!, id, threeDigits(text, 3), text.slice(6), place, lone)
  }

  function tell(text: string, kind: number, place: number, lone: boolean): string {
    const end = text.indexOf(UNIT)
    const number = kind === resume ? entry.resume : entry.drop
    return step(plugins[twoDigits(text, 1)]!, +text.slice(3, end), number, text.slice(end + 1), place, lone)
  }

  function step(enter: Enter, id: number, number: number, text: string, place: number, lone: boolean): string {
    let record: unknown
    mark(place)
    try {
      record = enter(id, number, text)
    } catch {
      record = broken
    }
    // What is left running of a lone step can only be its own.
    if (!lone) mark(-1)
    if (record === '') return ''
    const sound =
      typeof record === 'string' && record.length <= bounds.record * 2 + bounds.body && !record.includes(RECORD)
    return sound ? (record as string) : broken
  }
}

/** Stores the marks where a thread outside sees them. */
export function createMark(progress: SharedArrayBuffer | undefined): ((place: number) => void) | undefined {
  if (progress === undefined) return undefined
  const cells = new Int32Array(progress)
  // A plain store: the watchdog looks every 25 ms and needs no order, and Atomics.store is a call, twice a step.
  return (place) => {
    cells[1] = place
  }
}

/** From the arguments of a closure: the progress of the guard, then the plugins. */
export function openDispatcher(progress: SharedArrayBuffer | undefined, ...plugins: readonly Enter[]): Dispatcher {
  return createDispatcher(plugins, createMark(progress))
}
