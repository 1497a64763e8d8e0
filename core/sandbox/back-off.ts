import type { FailureCode } from './plugin.ts'

/** Losses in a row that cost no rest: one request in a thousand may be poison, the others want an answer. */
const patience = 3
/** Losses count as a row until so long after the last one, or after the rest that it earned, ms. */
const row = 10_000
const first = 1_000
const longest = 60_000

/**
 * A plugin that loses isolate after isolate costs everybody time. So it is not called any more for 1 s, then 2, 4, … up to
 * 60 s, as long as its losses follow each other; the other plugins of its group go on without it.
 */
export class BackOff {
  readonly #now: () => number
  #row = 0
  #until = Number.NEGATIVE_INFINITY
  #code: FailureCode = 'PE'
  #last = 0

  /** @param now clock, ms. Default: the monotonic one. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * It was to blame for an isolate. Returns how long it has to rest, ms; 0 when not at all.
   *
   * @param call number of the last call that came before: what is under way is not made to pay for it.
   */
  lost(code: FailureCode, call: number): number {
    const now = this.#now()
    this.#row = now - this.#until < row ? this.#row + 1 : 1
    const rest = this.#row > patience ? Math.min(longest, first * 2 ** (this.#row - patience - 1)) : 0
    this.#until = now + rest
    this.#code = code
    this.#last = call
    return rest
  }

  /** What a call fails with while the plugin rests: the code of its last loss. */
  failure(call: number): FailureCode | undefined {
    const resting = this.#row > patience && call > this.#last && this.#now() < this.#until
    return resting ? this.#code : undefined
  }
}
