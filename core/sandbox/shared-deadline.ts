import { type CpuTime, readCpuTime } from '../grants/cpu-time.ts'
import { growth } from './cpu-trial.ts'

/** Interval of the deadlines, ms. */
const interval = 100
/** How long after a lost crossing the limits stay exact, ms. */
const exactFor = 60_000

/** Highest level of patience, and the longest limit that comes of it, ms. */
const most = { level: 3, limit: 500 }

/**
 * The time limit of crossings that calls share. Their deadlines fall together, at most one in 100 ms: isolated-vm's timer
 * thread wakes at the deadline of every crossing, long after that crossing has returned, and each time it interrupts this
 * thread. At one connection that made 2.7 sleeps and 1.3 wake-ups of threads for a request with three plugins, and now 0.25
 * of each. So code that does not end may run up to 100 ms longer. It does so once: for a minute after a lost crossing the
 * limits of its group are exact.
 *
 * In that minute it also learns whether the machine is busy. A crossing that the clock ends before it has used its CPU time
 * is repeated in another isolate, whose code is cold, and is likely to be ended there again. So each of them makes the limits
 * of the group four times as long, and each one that has used its CPU time makes them shorter.
 */
export class SharedDeadline {
  /** How busy the machine is: see `CpuTrial.begin`. */
  level = 0
  #exactUntil = Number.NEGATIVE_INFINITY
  /** Of the crossing that runs. Only within the minute: reading takes 2 µs. */
  #running: { readonly least: number; readonly before: CpuTime } | undefined
  readonly #read: () => CpuTime

  /** @param read Default: the times of this thread and its process. */
  constructor(read: () => CpuTime = readCpuTime) {
    this.#read = read
  }

  /**
   * A crossing begins.
   *
   * @param least time that it must have, whole ms.
   * @param now clock, ms, the same for all groups.
   * @returns its time limit, whole ms: isolated-vm takes no fractions.
   */
  limit(least: number, now: number): number {
    if (now < this.#exactUntil) {
      this.#running = { least, before: this.#read() }
      return Math.max(least, Math.min(most.limit, least * growth ** this.level))
    }
    this.level = 0
    this.#running = undefined
    return least + interval - Math.floor(now % interval)
  }

  /** The clock has ended the crossing. Returns the CPU time that it may have cost, ms. */
  ended(): number {
    if (this.#running === undefined) return interval
    const { least, before } = this.#running
    const { thread, process } = this.#read()
    this.learn(thread - before.thread >= least)
    return process - before.process
  }

  /** The clock has ended a crossing, shared or alone, that had used its CPU time, or had not. */
  learn(isUsed: boolean): void {
    this.level = isUsed ? Math.max(0, this.level - 1) : Math.min(most.level, this.level + 1)
  }

  /** A crossing was lost. */
  lost(now: number): void {
    this.#exactUntil = now + exactFor
  }
}
