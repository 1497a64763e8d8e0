import type { Delivery } from '../net/delivery.ts'
import type { Http2Stream } from './stream.ts'

/**
 * How far what was sent on one stream has come. What the other side takes of other streams counts only while bytes of this one
 * are on their way, not while its window holds them back.
 */
export class DeliveryOfStream {
  readonly #stream: Http2Stream
  #written = 0
  #sent = 0
  #taken = 0
  #moved = 0
  /** Where the connection is when the other side has everything that was sent. */
  #goal: number | undefined

  constructor(stream: Http2Stream) {
    this.#stream = stream
    this.#written = stream.unsent
  }

  /** A piece was passed to the stream. */
  wrote(bytes: number): void {
    this.#written += bytes
    this.#goal = undefined
  }

  look(done: (delivery: Delivery) => void): void {
    const { transport } = this.#stream.connection
    transport.delivery(({ taken, left }) => {
      const { unsent } = this.#stream
      const isHeldBack = unsent > 0 && transport.unsent === 0
      const sent = this.#written - unsent
      const isMoving = !isHeldBack && (this.#goal === undefined || this.#taken < this.#goal)
      this.#moved += sent - this.#sent + (isMoving ? taken - this.#taken : 0)
      this.#sent = sent
      this.#taken = taken
      if (unsent === 0) this.#goal ??= taken + left
      done({ taken: this.#moved, left: unsent + Math.max(0, (this.#goal ?? taken + left) - taken) })
    })
  }
}
