import type { CounterResult } from '../../../sdk/grants.ts'
import type { LeaseAsk, LeaseTerms } from './lease-messages.ts'
import { copyNumbers, decide, type LeaseNumbers, resultOf, type SlotNumbers } from './lease-numbers.ts'
import type { Limit } from './limit-table.ts'

/** A take that waits for the authority. */
export interface WaitingTake {
  readonly cost: number
  readonly resolve: (result: CounterResult) => void
  readonly reject: (error: Error) => void
}

/** A lease is sized to last about this long, ms. The larger it is, the more points are lost when the worker dies. */
const hot = 1_000
/** A key that was asked for this long ago gets smaller leases, ms. */
const cold = 8 * hot

/** Points of one key that a worker may use without asking, and what it knows about all other points. */
export class CounterLease implements LeaseNumbers {
  /** Identifies the lease in messages. */
  readonly ref: number
  readonly limit: Limit<CounterLease>
  readonly key: string
  /** The window that the points belong to; 0 before the first. */
  window = 0
  /** Where the numbers are: here, as in most leases, or in memory that an isolate shares. */
  numbers: LeaseNumbers = this
  end: number = Number.NEGATIVE_INFINITY
  left = 0
  free = 0
  elsewhere = 0
  /** Its place in shared memory; 0 for none. */
  place = 0
  /** Takes that have no result yet, in their order. */
  waiting: WaitingTake[] = []
  /** An ask was sent and has no answer yet. */
  isAsking = false
  /** An ask will be sent at the end of this turn. */
  isListed = false
  /** How many of the waiting takes are part of the ask that was sent. */
  #sent = 0
  /** More points are asked for when no more than this many are left. */
  #renewAt = -1
  /** Size of the lease to ask for, points. */
  #block = 0
  /** When the last ask was sent, ms. */
  #asked: number = Number.NEGATIVE_INFINITY

  constructor(ref: number, limit: Limit<CounterLease>, key: string) {
    this.ref = ref
    this.limit = limit
    this.key = key
  }

  /** From now on its numbers are there. */
  share(numbers: SlotNumbers, place: number): void {
    copyNumbers(this.numbers, numbers)
    this.numbers = numbers
    this.place = place
  }

  /** From now on its numbers are here. */
  unshare(): void {
    copyNumbers(this.numbers, this)
    this.numbers = this
    this.place = 0
  }

  /** Decides a take; `undefined`: the authority must. */
  decide(cost: number, now: number): CounterResult | undefined {
    const result = decide(this.numbers, cost, now)
    if (result?.allowed === true) this.numbers.left -= cost
    return result
  }

  /** Whether to ask now, before it is necessary, for more points or for the current numbers. */
  wantsNews(now: number): boolean {
    if (this.isAsking) return false
    const { left, free, elsewhere } = this.numbers
    if (free + elsewhere === 0) return false
    return (left <= this.#renewAt && free > 0) || now - this.#asked > hot
  }

  /**
   * The ask to send now.
   *
   * @param sole there is no other worker.
   */
  ask(now: number, sole: boolean): LeaseAsk {
    const { policy, points, duration } = this.limit
    const costs = this.waiting.map(({ cost }) => cost)
    this.#sent = costs.length
    const since = now - this.#asked
    if (sole) this.#block = points
    else if (since < hot || costs.length > 1) {
      let most = Math.max(1, this.#block)
      for (const cost of costs) most += cost
      this.#block = Math.min(points, most * 4)
    } else if (since > cold) this.#block = Math.floor(this.#block / 4)
    this.isAsking = true
    this.#asked = now
    // Waiting takes need more than is left here: give all of it back, so that the authority can decide with all points.
    const back = costs.length > 0 || now >= this.numbers.end ? this.giveBack() : 0
    const { left } = this.numbers
    const wish = Math.max(0, this.#block - left)
    return [this.ref, this.window, left, back, wish, costs, policy, this.key, points, duration]
  }

  /** Removes all points from the lease and returns how many they were. */
  giveBack(): number {
    const { numbers } = this
    const back = numbers.left
    numbers.left = 0
    numbers.free += back
    this.#renewAt = -1
    return back
  }

  /** Applies the answer to the ask and settles the takes that were part of it. */
  answer([, window, ms, leased, free, elsewhere, refused]: LeaseTerms, now: number): void {
    const { numbers } = this
    this.isAsking = false
    // `left` has no points of an earlier window: an ask with takes gives all of them back.
    numbers.left += leased
    this.window = window
    // Counted from the ask, because it is unknown how long the answer took: so it never ends too late.
    numbers.end = this.#asked + ms
    numbers.free = free
    numbers.elsewhere = elsewhere
    this.#renewAt = leased > 0 ? Math.floor(numbers.left / 4) : -1
    const takes = this.waiting.splice(0, this.#sent)
    let remaining = numbers.left + free
    let last = refused.length - 1
    for (let i = takes.length - 1; i >= 0; i--) {
      const { cost, resolve } = takes[i]!
      const isRefused = refused[last] === i
      if (isRefused) last--
      resolve(resultOf(!isRefused, remaining, numbers.end, now))
      if (!isRefused) remaining += cost
    }
    this.#sent = 0
  }

  fail(error: Error): void {
    this.isAsking = false
    for (const { reject } of this.waiting.splice(0)) reject(error)
  }
}
