/** Things by name, made when first asked for; of more than `most` the one that was not used for longest goes. */
export class Recent<T> {
  readonly #items = new Map<string, T>()
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  get(name: string, make: () => T): T {
    const item = this.#items.get(name) ?? make()
    this.#items.delete(name)
    this.#items.set(name, item)
    for (const oldest of this.#items.keys()) {
      if (this.#items.size <= this.#most) break
      this.#items.delete(oldest)
    }
    return item
  }
}
