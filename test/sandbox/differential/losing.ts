import type { CrossingGuard } from '../../../core/sandbox/crossing-guard.ts'

/** A guard that lets the results of some crossings be lost, as if they had run out of time without using it. */
export interface Losing extends CrossingGuard {
  /** Loses the crossings with these numbers, counted from 0 from now on, unless they have one step. */
  lose(numbers: readonly number[]): void
}

export function createLosing(): Losing {
  let losses = new Set<number>()
  let number = 0
  let isShared = false
  return {
    progress: new SharedArrayBuffer(8),
    enter: ([first], _timeout, alone) => {
      isShared = alone !== true && first?.hook !== 'start'
    },
    leave: () => {
      if (isShared && losses.has(number++)) throw new Error('lost')
    },
    lose: (numbers) => {
      losses = new Set(numbers)
      number = 0
    },
  }
}
