import type { ByteStream } from '../net/byte-stream.ts'
import type { Delivery } from '../net/delivery.ts'
import { type Expiring, WheelTimer } from '../net/timer-wheel.ts'

/**
 * Notices a side that acknowledges nothing of what was written to it. The kernel has such a limit of its own (RFC 5482,
 * TCP_USER_TIMEOUT), which node cannot set. As there, a side that is reachable but reads nothing counts as well, once its buffers
 * are full.
 */
export class AckWatch implements Expiring {
  readonly #sink: ByteStream
  readonly #limit: number
  readonly #onStuck: () => void
  readonly #timer = new WheelTimer(this)
  #isLooking = false
  /** Something was written while the kernel was asked. */
  #hasMore = false
  #isOver = false
  /** What the side had received when that changed last, and when that was seen; `undefined`: nothing was left for it. */
  #taken = 0
  #since: number | undefined

  /** @param limit ms; the owner hears of it half of that later at most. @param onStuck called once at most */
  constructor(sink: ByteStream, limit: number, onStuck: () => void) {
    this.#sink = sink
    this.#limit = limit
    this.#onStuck = onStuck
  }

  /** Bytes, or the end, were written. */
  wrote(): void {
    if (this.#isLooking) this.#hasMore = true
    else if (!this.#timer.isArmed && !this.#isOver) this.#timer.arm(this.#limit / 2)
  }

  stop(): void {
    this.#isOver = true
    this.#timer.disarm()
  }

  onTimeout(): void {
    this.#isLooking = true
    this.#hasMore = false
    this.#sink.delivery((delivery) => this.#saw(delivery))
  }

  #saw({ taken, left }: Delivery): void {
    this.#isLooking = false
    if (this.#isOver) return
    const now = performance.now()
    if (left === 0) {
      this.#since = undefined
      if (!this.#hasMore) return
    } else if (this.#since === undefined || taken !== this.#taken) {
      this.#taken = taken
      this.#since = now
    } else if (now - this.#since >= this.#limit) {
      this.stop()
      return this.#onStuck()
    }
    this.#timer.arm(this.#limit / 2)
  }
}
