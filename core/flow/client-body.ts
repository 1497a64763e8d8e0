import type { Exchange } from '../listen/exchange.ts'
import type { BodySource } from './body-path.ts'

/** The client as the source of its request's body. */
export class ClientBody implements BodySource {
  /** Whether it is the client's turn: more of the body is wanted, and has not come. */
  due = false
  readonly #exchange: Exchange
  readonly #owner: { awaitNext(): void }
  #receiving = false

  constructor(exchange: Exchange, owner: { awaitNext(): void }) {
    this.#exchange = exchange
    this.#owner = owner
  }

  pause(): void {
    this.due = false
    this.#exchange.pause()
  }

  resume(): void {
    const isFirst = !this.#receiving
    this.#receiving = true
    this.due = true
    if (isFirst) this.#exchange.receive()
    else this.#exchange.resume()
    this.#owner.awaitNext()
  }
}
