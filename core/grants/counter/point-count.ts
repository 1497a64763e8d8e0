import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** The outcome of a take, and how many points are not taken. */
export interface Taken {
  readonly allowed: boolean
  readonly free: number
}

/** Points taken from the budget of each key, until `forget`. */
export class PointCount {
  readonly #points: number
  readonly #limiter: RateLimiterMemory

  constructor(points: number) {
    this.#points = points
    // Its own windows would follow a clock that people set, and have a timer each.
    this.#limiter = new RateLimiterMemory({ points, duration: 0 })
  }

  /** A take that is refused takes nothing: a smaller one may still be allowed. Counts in the order of the calls. */
  async take(key: string, cost: number): Promise<Taken> {
    // More than there is: sums beyond 2⁵³ would not be exact.
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
