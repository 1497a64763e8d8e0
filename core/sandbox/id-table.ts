/**
 * Values by an increasing id, for entries that are added and deleted all the time.
 *
 * Not a `Map`: V8 replaces the table of a Map that is written to and deleted from repeatedly, and a replaced table
 * points to its successor. Once one table has been promoted, all later ones and their contents survive until the next
 * full collection: under load each collection of the young generation promoted half of it.
 */
export class IdTable<V> {
  #ids: number[] = new Array<number>(64).fill(empty)
  #values: (V | undefined)[] = new Array<V | undefined>(64).fill(undefined)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): V | undefined {
    return this.#values[this.#slotOf(id)]
  }

  /** @param id a whole number, 0 or more. */
  set(id: number, value: V): void {
    // At least half empty, so that the next empty slot is near.
    if (this.#size * 2 >= this.#ids.length) this.#grow()
    const slot = this.#slotOf(id)
    if (this.#ids[slot] === empty) this.#size++
    this.#ids[slot] = id
    this.#values[slot] = value
  }

  /** Returns whether the id was in the table. */
  delete(id: number): boolean {
    const ids = this.#ids
    const mask = ids.length - 1
    let gap = this.#slotOf(id)
    if (ids[gap] === empty) return false
    // An entry whose search passes the gap moves into it; otherwise its search would end at the gap.
    for (let next = (gap + 1) & mask; ids[next] !== empty; next = (next + 1) & mask) {
      if (((next - ids[next]!) & mask) < ((next - gap) & mask)) continue
      ids[gap] = ids[next]!
      this.#values[gap] = this.#values[next]
      gap = next
    }
    ids[gap] = empty
    this.#values[gap] = undefined
    this.#size--
    return true
  }

  /** In the order of their ids. */
  values(): V[] {
    const taken = this.#ids.filter((id) => id !== empty).sort((a, b) => a - b)
    return taken.map((id) => this.get(id)!)
  }

  clear(): void {
    this.#ids.fill(empty)
    this.#values.fill(undefined)
    this.#size = 0
  }

  /** The slot of the id, or the empty slot where it belongs. */
  #slotOf(id: number): number {
    const ids = this.#ids
    const mask = ids.length - 1
    let slot = id & mask
    while (ids[slot] !== empty && ids[slot] !== id) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const ids = this.#ids
    const values = this.#values
    this.#ids = new Array<number>(ids.length * 2).fill(empty)
    this.#values = new Array<V | undefined>(ids.length * 2).fill(undefined)
    for (let i = 0; i < ids.length; i++) {
      if (ids[i] === empty) continue
      const slot = this.#slotOf(ids[i]!)
      this.#ids[slot] = ids[i]!
      this.#values[slot] = values[i]
    }
  }
}

const empty = -1
