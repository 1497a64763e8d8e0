/** What a peer can make this side do for nothing, each with a budget. */
export const RESETS = 0
export const SETTINGS_FRAMES = 1
export const PINGS = 2
export const PRIORITIES = 3
export const EMPTY_DATA = 4
export const WINDOW_UPDATES = 5
export const USELESS = 6
export const TABLE_ENTRIES = 7

export type Kind = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7

/** Entries that a header block may add to the table for nothing. */
export const freeEntries = 16

interface Limit {
  /** For messages. */
  readonly name: string
  /** Most at once. */
  readonly burst: number
  /** How many more each second allows. */
  readonly rate: number
}

/** By `Kind`. What the peer has good reasons for grows with the streams and the data that are served: see `refund`. */
export const limits: readonly Limit[] = [
  { name: 'streams reset before a response', burst: 256, rate: 32 },
  { name: 'SETTINGS', burst: 32, rate: 2 },
  { name: 'PING', burst: 64, rate: 4 },
  { name: 'PRIORITY', burst: 256, rate: 32 },
  { name: 'empty DATA', burst: 64, rate: 8 },
  { name: 'WINDOW_UPDATE', burst: 512, rate: 64 },
  { name: 'frames on closed streams, or without effect', burst: 512, rate: 64 },
  { name: 'entries added to the header table', burst: 2048, rate: 512 },
]

/** Most frames that work explains in advance. */
const mostAhead = 64 * 1024

/** The budgets of one connection. They refill with time: the clock is read only when one is used up. */
export class Budget {
  readonly #used: number[] = [0, 0, 0, 0, 0, 0, 0, 0]
  #since = performance.now()

  /** @returns false: used up */
  spend(kind: Kind, count: number = 1): boolean {
    const used = this.#used
    used[kind]! += count
    if (used[kind]! <= limits[kind]!.burst) return true
    this.#refill()
    return used[kind]! <= limits[kind]!.burst
  }

  /** Useful work has been done that explains some frames, which may come much later. */
  refund(kind: Kind, count: number): void {
    const used = this.#used
    used[kind] = Math.max(-mostAhead, used[kind]! - count)
  }

  #refill(): void {
    const now = performance.now()
    const seconds = (now - this.#since) / 1000
    this.#since = now
    limits.forEach(({ rate }, kind) => {
      const used = this.#used[kind]!
      if (used > 0) this.#used[kind] = Math.max(0, used - seconds * rate)
    })
  }
}
