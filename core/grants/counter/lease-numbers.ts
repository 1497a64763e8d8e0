import type { CounterResult } from '../../../sdk/grants.ts'

/** Taken once: the realm of the dispatcher, which shares this file, has no globals. */
const { ceil, max } = Math

/** What a worker knows about the points of one key in one window. */
export interface LeaseNumbers {
  /** When the window ends, ms: never later than for the authority. */
  end: number
  /** Leased points that are not used yet. */
  left: number
  /** Points that no worker held when the authority last answered. */
  free: number
  /** Most points that other workers may have held then. */
  elsewhere: number
}

/**
 * Allows a take for which enough points are left here, and refuses one for which no worker can have enough; `undefined`:
 * the authority must decide. Takes nothing: when it allows, the caller subtracts the cost from `left`.
 */
export function decide(numbers: LeaseNumbers, cost: number, now: number): CounterResult | undefined {
  const { end, left, free, elsewhere } = numbers
  if (now >= end) return undefined
  if (cost <= left) return resultOf(true, left - cost + free, end, now)
  // Their sum never grows within a window: points that a worker gives back were part of `elsewhere`.
  if (cost > left + free + elsewhere) return resultOf(false, left + free, end, now)
  return undefined
}

export function resultOf(allowed: boolean, remaining: number, end: number, now: number): CounterResult {
  return { allowed, remaining, reset: max(1, ceil((end - now) / 1_000)) }
}

/** Numbers of one slot in memory that the host and the dispatcher of an isolate share. */
export class SlotNumbers implements LeaseNumbers {
  /** Words of a slot. */
  static readonly width = 5
  readonly #words: Float64Array
  #at = 0

  constructor(words: Float64Array, slot = 0) {
    this.#words = words
    this.slot = slot
  }

  set slot(slot: number) {
    this.#at = slot * SlotNumbers.width
  }

  /** Number of the lease that has the slot; 0 for none. No number is used twice. */
  get place(): number {
    return this.#words[this.#at]!
  }
  set place(place: number) {
    this.#words[this.#at] = place
  }
  get end(): number {
    return this.#words[this.#at + 1]!
  }
  set end(end: number) {
    this.#words[this.#at + 1] = end
  }
  get left(): number {
    return this.#words[this.#at + 2]!
  }
  set left(left: number) {
    this.#words[this.#at + 2] = left
  }
  get free(): number {
    return this.#words[this.#at + 3]!
  }
  set free(free: number) {
    this.#words[this.#at + 3] = free
  }
  get elsewhere(): number {
    return this.#words[this.#at + 4]!
  }
  set elsewhere(elsewhere: number) {
    this.#words[this.#at + 4] = elsewhere
  }
}

/** Copies all numbers. */
export function copyNumbers(from: LeaseNumbers, to: LeaseNumbers): void {
  to.end = from.end
  to.left = from.left
  to.free = from.free
  to.elsewhere = from.elsewhere
}
