import type { SessionNews } from '../listen/session-places.ts'

/** Most clients that are remembered for a slot. */
const most = 65_536

/** The backends of the clients of one slot, for its next worker. */
export class SlotSessions {
  readonly #places = new Map<string, string>()

  hear({ placed, ended }: SessionNews): void {
    for (const [client, backend] of placed) {
      this.#places.delete(client)
      this.#places.set(client, backend)
    }
    for (const client of ended) this.#places.delete(client)
    for (const client of this.#places.keys()) {
      if (this.#places.size <= most) return
      this.#places.delete(client)
    }
  }

  get news(): SessionNews {
    return { placed: [...this.#places], ended: [] }
  }
}
