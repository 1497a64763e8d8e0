import { type CpuTime, readCpuTime } from '../grants/cpu-time.ts'

/**
 * `exceeded`: the code has used up its CPU time · `again`: it has not, so that only the clock has ended it, on a machine
 * with too much to do: it may try again · `starved`: the same, but it has tried often enough.
 */
export type Ruling = 'exceeded' | 'again' | 'starved'

/** Attempts of code that the clock has ended; times in ms. */
interface Attempts {
  /** CPU time that it may use. */
  readonly limit: number
  /** CPU time that all attempts together may take beyond the limit. */
  readonly surplus: number
  /** Attempts that the clock has ended. */
  readonly count: number
  /** CPU time that its thread used in the last one. */
  readonly used: number
  /**
   * CPU time that all threads used in all attempts. Collecting its garbage and compiling it takes place in other threads
   * too, where `used` does not see it.
   */
  readonly spent: number
}

/** Most attempts: code that neither ends nor uses CPU time must not block its thread for ever. */
const most = 8
/** Time on the clock for the first attempt, as a multiple of the limit: a thread nearly always waits a little. */
const slack = 1.25
/** Each attempt has this many times as long as the one before. */
export const growth = 4

/** How long the next attempt may take on the clock, ms. */
function patience({ limit, surplus, count, spent }: Attempts, level: number): number {
  const longest = limit + surplus - spent
  return Math.ceil(Math.max(limit * slack, Math.min(limit * slack * growth ** (count + level), longest)))
}

/** Judges code that the clock has ended, by the CPU time that it has used. */
function rule({ limit, surplus, count, used, spent }: Attempts): Ruling {
  if (used >= limit) return 'exceeded'
  return count >= most || spent + limit * slack > limit + surplus ? 'starved' : 'again'
}

/**
 * The attempts of one piece of code whose limit is CPU time, although only the clock can end it: a process that is
 * stopped or waits for a processor uses none.
 */
export class CpuTrial implements Attempts {
  readonly limit: number
  readonly surplus: number
  count = 0
  used = 0
  spent = 0
  readonly #read: () => CpuTime
  #before: CpuTime = { thread: 0, process: 0 }

  /**
   * @param surplus see `Attempts`. With less than four times the limit, code that gets a quarter of a processor may not
   *   be given its limit.
   * @param read Default: the times of this thread and its process.
   */
  constructor(limit: number, surplus = 1_000, read: () => CpuTime = readCpuTime) {
    this.limit = limit
    this.surplus = surplus
    this.#read = read
  }

  /**
   * An attempt begins. Returns how long it may take on the clock, ms.
   *
   * @param level how busy the machine is: the first attempt has as long as one after so many. Default: 0.
   */
  begin(level = 0): number {
    this.#before = this.#read()
    return patience(this, level)
  }

  /** Counts CPU time that it may have cost before, ms; never more than half of `surplus`. */
  charge(ms: number): void {
    this.spent += Math.min(ms, this.surplus / 2)
  }

  /** The clock has ended the attempt. */
  ended(): Ruling {
    const { thread, process } = this.#read()
    this.count++
    this.used = thread - this.#before.thread
    this.spent += process - this.#before.process
    return rule(this)
  }

  /** What the last attempt has used, as text. */
  get account(): string {
    return `it had used ${this.used.toFixed(1)} of ${this.limit} ms of CPU time`
  }

  /** Why there is no other attempt, as text. */
  get failure(): string {
    if (this.used >= this.limit) return `took more than ${this.limit} ms`
    return `did not end in ${this.count} attempts; ${this.account}`
  }
}
