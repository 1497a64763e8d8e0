import { bounds } from '../bounds.ts'
import { OPERATION, RECORD } from '../wire.ts'
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
 */
export function createDispatcher(plugins: readonly Enter[]): Dispatcher {
  let last = ''
  return {
    dispatch: (steps) => {
      const pieces = steps.split(RECORD)
      const began = Date.now()
      last = '0'
      let records = ''
      let i = 0
      while (i < pieces.length) {
        const id = pieces[i + 1]!
        const enter = plugins[+pieces[i]!]!
        let record: unknown
        try {
          record = enter(id, +pieces[i + 2]!, pieces[i + 3]!)
        } catch {
          record = broken
        }
        if (record !== '') {
          const sound = typeof record === 'string' && record.length <= bounds.record * 2 && !record.includes(RECORD)
          records += RECORD + id + OPERATION + (sound ? record : broken)
        }
        i += 4
        // A clock that is set back must not turn the slice into an hour.
        if (Math.abs(Date.now() - began) >= bounds.slice) break
      }
      last = records === '' && i >= pieces.length ? '' : i / 4 + records
      return last
    },
    last: () => last,
  }
}
