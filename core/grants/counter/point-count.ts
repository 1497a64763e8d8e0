import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** The result of a take, and the points that are still free after it. */
export interface Taken {
  readonly allowed: boolean
  readonly free: number
}

/** Counts the points taken from the budget of each key, until `forget`. */
export class PointCount {
  readonly #points: number
  readonly #limiter: RateLimiterMemory

  constructor(points: number) {
    this.#points = points
    // Without windows of the package: they follow the system clock, which can be set, and need a timer each.
    this.#limiter = new RateLimiterMemory({ points, duration: 0 })
  }

  /**
   * Takes points. A take that is refused takes nothing, so a smaller one may still be allowed. Takes effect in the
   * order of the calls.
   */
  async take(key: string, cost: number): Promise<Taken> {
    // Not passed on to the package: sums beyond 2⁵³ would not be exact.
    if (cost > this.#points) return { ...(await this.take(key, 0)), allowed: false }
    try {
      return { allowed: true, free: (await this.#limiter.consume(key, cost)).remainingPoints }
    } catch (refused) {
      if (!(refused instanceof RateLimiterRes)) throw refused
      return { allowed: false, free: (await this.#limiter.reward(key, cost)).remainingPoints }
    }
  }

  /** Takes effect immediately. */
  giveBack(key: string, points: number): void {
    if (points > 0) void this.#limiter.reward(key, points)
  }

  /** Takes effect immediately. */
  forget(key: string): void {
    void this.#limiter.delete(key)
  }
}
