import type { Fields } from '../http/fields.ts'
import type { UpstreamExchange } from '../http/upstream-exchange.ts'
import type { Delivery } from '../net/delivery.ts'

/** A request of which is not known yet which pool sends it. Its owner has been told nothing, so until `follow` it can only pause or cancel. */
export class LaterExchange implements UpstreamExchange {
  #exchange: UpstreamExchange | undefined
  #isPaused = false
  #isCancelled = false
  readonly #leave: () => void

  /** @param leave it is cancelled before `follow`. Default: nothing happens then. */
  constructor(leave: () => void = () => {}) {
    this.#leave = leave
  }

  /** It is sent, perhaps anew: from now on it is this exchange. */
  follow(exchange: UpstreamExchange): void {
    this.#exchange = exchange
    if (this.#isPaused) exchange.pause()
  }

  get trailers(): Fields | undefined {
    return this.#exchange?.trailers
  }

  get isRefusable(): boolean {
    return this.#exchange?.isRefusable ?? false
  }

  get isFlushed(): boolean {
    return this.#exchange?.isFlushed ?? true
  }

  write(chunk: Uint8Array): boolean {
    return this.#exchange?.write(chunk) ?? false
  }

  delivery(done: (delivery: Delivery) => void): void {
    if (this.#exchange === undefined) setImmediate(done, { taken: 0, left: 0 })
    else this.#exchange.delivery(done)
  }

  end(trailers?: Fields): void {
    this.#exchange?.end(trailers)
  }

  pause(): void {
    this.#isPaused = true
    this.#exchange?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#exchange?.resume()
  }

  cancel(): void {
    if (this.#isCancelled) return
    this.#isCancelled = true
    if (this.#exchange === undefined) this.#leave()
    else this.#exchange.cancel()
  }
}
