/** The backends of clients, as the workers of a slot tell them to the supervisor, and it tells the next worker. */
export interface SessionNews {
  /** Client and address of its backend. */
  readonly placed: readonly (readonly [client: string, backend: string])[]
  /** Clients without a session. */
  readonly ended: readonly string[]
}

/** News leave together, this long after the first, ms. */
const batch = 500

/**
 * Which backend each client has, for the time after this process: unless its upstream chooses by hash, a successor could not
 * know. Sessions that end before they are told cost nothing.
 */
export class SessionPlaces {
  readonly #send: (news: SessionNews) => void
  /** Of the worker before this one; each is used once. */
  readonly #before = new Map<string, string>()
  readonly #placed = new Map<string, string>()
  readonly #ended = new Set<string>()
  /** Told, and not ended. */
  readonly #told = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(send: (news: SessionNews) => void) {
    this.#send = send
  }

  /** @param news of the worker before this one, which may still serve */
  adopt({ placed, ended }: SessionNews): void {
    for (const [client, backend] of placed) this.#before.set(client, backend)
    for (const client of ended) this.#before.delete(client)
  }

  /** Forgets clients of the worker before that have not come back. @param after ms */
  expire(after: number): void {
    const clients = [...this.#before.keys()]
    if (clients.length === 0) return
    setTimeout(() => {
      for (const client of clients) if (this.#before.delete(client)) this.#end(client)
    }, after).unref()
  }

  /** The backend that the client had before; asked once. */
  take(client: string): string | undefined {
    const backend = this.#before.get(client)
    if (backend === undefined) return undefined
    this.#before.delete(client)
    this.#told.add(client)
    return backend
  }

  place(client: string, backend: string): void {
    this.#ended.delete(client)
    this.#placed.set(client, backend)
    this.#tellSoon()
  }

  end(client: string): void {
    this.#placed.delete(client)
    if (this.#told.delete(client)) this.#end(client)
  }

  #end(client: string): void {
    this.#ended.add(client)
    this.#tellSoon()
  }

  #tellSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#placed.size + this.#ended.size === 0) return
      this.#send({ placed: [...this.#placed], ended: [...this.#ended] })
      for (const client of this.#placed.keys()) this.#told.add(client)
      this.#placed.clear()
      this.#ended.clear()
    }, batch).unref()
  }
}
