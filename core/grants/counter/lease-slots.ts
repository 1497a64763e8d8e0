import type { CounterLease } from './lease.ts'
import { SlotNumbers } from './lease-numbers.ts'

/**
 * Memory for the leases of one policy whose numbers an isolate shares. When it is full, the lease that has been in it for
 * the longest time makes room; the host decides the takes of that one.
 */
export class LeaseSlots {
  readonly memory: SharedArrayBuffer
  readonly #words: Float64Array
  readonly #leases: (CounterLease | undefined)[]
  #last = 0

  /** @param size leases that have room, 1 or more. */
  constructor(size: number) {
    this.memory = new SharedArrayBuffer(size * SlotNumbers.width * Float64Array.BYTES_PER_ELEMENT)
    this.#words = new Float64Array(this.memory)
    this.#leases = new Array<CounterLease | undefined>(size).fill(undefined)
  }

  get size(): number {
    return this.#leases.length
  }

  /** The lease with this place; `undefined` when it has lost it. */
  at(place: number): CounterLease | undefined {
    const lease = this.#leases[place % this.size]
    return lease?.place === place ? lease : undefined
  }

  /**
   * Gives the lease a slot unless it has one. Returns its place: a number that is never used again, and whose remainder
   * by `size` is the slot.
   */
  put(lease: CounterLease): number {
    if (lease.place > 0) return lease.place
    const place = ++this.#last
    const slot = place % this.size
    const former = this.#leases[slot]
    if (former !== undefined) this.remove(former)
    const numbers = new SlotNumbers(this.#words, slot)
    lease.share(numbers, place)
    numbers.place = place
    this.#leases[slot] = lease
    return place
  }

  remove(lease: CounterLease): void {
    const { place } = lease
    if (this.at(place) !== lease) return
    const slot = place % this.size
    new SlotNumbers(this.#words, slot).place = 0
    this.#leases[slot] = undefined
    lease.unshare()
  }

  clear(): void {
    for (const lease of this.#leases) if (lease !== undefined) this.remove(lease)
  }
}
