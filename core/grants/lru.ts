/** Policies for which something is kept. More than a configuration has: below it none costs another one what it has. */
export const mostPolicies = 10_000

/** Values by name, created on first use. When there are more than `most`, the least recently used is removed. */
export class Lru<T> {
  readonly #items = new Map<string, T>()
  readonly #most: number
  readonly #onRemove: (item: T) => void

  constructor(most: number, onRemove: (item: T) => void = () => {}) {
    this.#most = most
    this.#onRemove = onRemove
  }

  get(name: string, make: () => T): T {
    const item = this.#items.get(name) ?? make()
    this.#items.delete(name)
    this.#items.set(name, item)
    for (const [oldest, removed] of this.#items) {
      if (this.#items.size <= this.#most) break
      this.#items.delete(oldest)
      this.#onRemove(removed)
    }
    return item
  }
}
