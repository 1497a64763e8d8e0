import { layout } from './crossing-board.ts'

/** Memory that the watchdog's thread shares with the thread it watches. */
export interface WatchdogMemory {
  /** `CrossingGuard.progress`. */
  readonly progress: SharedArrayBuffer
  /** Int32, see `control`. */
  readonly control: SharedArrayBuffer
  /** The `CrossingBoard`. */
  readonly board: SharedArrayBuffer
}

export interface WatchdogData extends WatchdogMemory {
  /** File descriptor for the report. */
  readonly report: number
}

/** Time between two polls, ms. */
export const period = 25

/** Words of `control`. */
export const control = {
  /** 1 while the thread sleeps until it is woken, because no crossing has run for a while. */
  asleep: 0,
  /** Polls without progress from which the crossing that runs counts as stuck. */
  limit: 1,
} as const

export function createWatchdogMemory(): WatchdogMemory {
  return {
    progress: new SharedArrayBuffer(8),
    control: new SharedArrayBuffer(8),
    board: new SharedArrayBuffer(layout.size),
  }
}
