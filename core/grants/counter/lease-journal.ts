/** A take that the dispatcher has decided. */
export interface DecidedTake {
  /** Id of the hook's turn, as the crossing has it. */
  readonly turn: number
  /** Number of the operation in the call. */
  readonly number: number
  /** Index of the memory of its policy. */
  readonly memory: number
  readonly place: number
  readonly cost: number
  readonly allowed: boolean
  readonly remaining: number
  readonly reset: number
  /** What is left of the lease after it. */
  readonly left: number
}

const width = 9
/** Words before the first take: the time and the number of takes. */
const head = 2

/**
 * The takes that the dispatcher of an isolate has decided, until the host has read them, in memory that both share and
 * that survives the isolate.
 *
 * A crossing may be ended between any two steps of the dispatcher. A take is done from the moment when it counts in
 * `length`; what is left of its lease after it is part of it, so that the host can do again what was not done.
 */
export class LeaseJournal {
  /** Takes that have room. When it is full, the host is asked, which reads it first. */
  static readonly most = 256
  static readonly bytes: number = (head + LeaseJournal.most * width) * Float64Array.BYTES_PER_ELEMENT
  readonly #words: Float64Array

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Float64Array(memory)
  }

  /** The time for which takes are decided, ms, on the clock of the leases. From `Infinity` on none is. */
  get now(): number {
    return this.#words[0]!
  }
  set now(now: number) {
    this.#words[0] = now
  }

  get length(): number {
    return this.#words[1]!
  }

  get isFull(): boolean {
    return this.length >= LeaseJournal.most
  }

  add({ turn, number, memory, place, cost, allowed, remaining, reset, left }: DecidedTake): void {
    const words = this.#words
    const { length } = this
    const at = head + length * width
    words[at] = turn
    words[at + 1] = number
    words[at + 2] = place
    words[at + 3] = cost
    words[at + 4] = allowed ? 1 : 0
    words[at + 5] = remaining
    words[at + 6] = reset
    words[at + 7] = left
    words[at + 8] = memory
    words[1] = length + 1
  }

  at(index: number): DecidedTake {
    const at = head + index * width
    const words = this.#words
    return {
      turn: words[at]!,
      number: words[at + 1]!,
      place: words[at + 2]!,
      cost: words[at + 3]!,
      allowed: words[at + 4] === 1,
      remaining: words[at + 5]!,
      reset: words[at + 6]!,
      left: words[at + 7]!,
      memory: words[at + 8]!,
    }
  }

  clear(): void {
    this.#words[1] = 0
  }
}
