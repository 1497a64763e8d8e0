/** Interval of the deadlines, ms. */
const interval = 100
/** How long after a lost crossing the limits stay exact, ms. */
const exactFor = 60_000

/**
 * The time limit of crossings that calls share. Their deadlines fall together, at most one in 100 ms: isolated-vm's timer
 * thread wakes at the deadline of every crossing, long after that crossing has returned, and each time it interrupts this
 * thread, which cost 25 µs a crossing at one connection. So code that does not end may run up to 100 ms longer. It does so
 * once: for a minute after a lost crossing the limits of its group are exact.
 */
export class SharedDeadline {
  #exactUntil = Number.NEGATIVE_INFINITY

  /**
   * @param least time that the crossing must have, whole ms.
   * @param now clock, ms, the same for all groups.
   * @returns its time limit, whole ms: isolated-vm takes no fractions.
   */
  limit(least: number, now: number): number {
    if (now < this.#exactUntil) return least
    return least + interval - Math.floor(now % interval)
  }

  /** A crossing was lost. */
  lost(now: number): void {
    this.#exactUntil = now + exactFor
  }
}
