import type { CounterResult } from '../../../sdk/grants.ts'
import type { LeaseAsk } from './lease-messages.ts'
import type { Limit } from './limit-table.ts'

/** A take that waits for the authority. */
export interface WaitingTake {
  readonly cost: number
  readonly resolve: (result: CounterResult) => void
  readonly reject: (error: Error) => void
}

/** A lease should last about as long as this, ms: longer, and a worker that dies takes more points with it. */
const hot = 1_000
const cold = 8 * hot

/** Points of one key that a worker may hand out without asking, and what it knows of the rest. */
export class CounterLease {
  /** Names it in messages. */
  readonly ref: number
  readonly limit: Limit<CounterLease>
  readonly key: string
  /** The window that the points belong to; 0 before the first. */
  window = 0
  /** When that window ends, ms: never later than it does for the authority. */
  end: number = Number.NEGATIVE_INFINITY
  /** Points in hand. */
  left = 0
  /** Takes without an answer yet, in their order. */
  waiting: WaitingTake[] = []
  /** An ask has gone out and has no answer yet. */
  isAsking = false
  /** It is to ask at the end of this turn. */
  isListed = false
  /** How many of those that wait are part of the ask. */
  #sent = 0
  /** Points that no worker held at the authority's last answer, and the most that others held then. */
  #free = 0
  #elsewhere = 0
  /** As many points left, and more are asked for. */
  #renewAt = -1
  /** Points that it would like to hold. */
  #block = 0
  #asked: number = Number.NEGATIVE_INFINITY

  constructor(ref: number, limit: Limit<CounterLease>, key: string) {
    this.ref = ref
    this.limit = limit
    this.key = key
  }

  /** What the points in hand, or the certainty that too few are left anywhere, say about a take; else nothing. */
  decide(cost: number, now: number): CounterResult | undefined {
    if (now >= this.end) return undefined
    if (cost <= this.left) {
      this.left -= cost
      return this.#result(true, this.left + this.#free, now)
    }
    // Within a window points never become more: those that somebody gives back were counted as held.
    if (cost > this.left + this.#free + this.#elsewhere) return this.#result(false, this.left + this.#free, now)
    return undefined
  }

  /** Whether to ask for more points, or for news of what is left, before they are needed. */
  wantsNews(now: number): boolean {
    if (this.isAsking || this.#free + this.#elsewhere === 0) return false
    return (this.left <= this.#renewAt && this.#free > 0) || now - this.#asked > hot
  }

  /** @param sole there is no other worker. */
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
    // Waiting takes need more than is in hand, and the authority decides over all of it.
    const back = costs.length > 0 || now >= this.end ? this.giveBack() : 0
    const wish = Math.max(0, this.#block - this.left)
    return [this.ref, this.window, this.left, back, wish, costs, policy, this.key, points, duration]
  }

  /** All points in hand, which it has no more. */
  giveBack(): number {
    const back = this.left
    this.left = 0
    this.#free += back
    this.#renewAt = -1
    return back
  }

  /** The answer to the ask: settles the takes that were part of it. */
  answer(
    window: number,
    ms: number,
    leased: number,
    free: number,
    elsewhere: number,
    refused: readonly number[],
    now: number,
  ): void {
    this.isAsking = false
    // Of a window before it there are none in hand: an ask with takes gives all back.
    this.left += leased
    this.window = window
    // From when it was asked, because the answer's time on its way is unknown.
    this.end = this.#asked + ms
    this.#free = free
    this.#elsewhere = elsewhere
    this.#renewAt = leased > 0 ? Math.floor(this.left / 4) : -1
    const takes = this.waiting.splice(0, this.#sent)
    let remaining = this.left + free
    let last = refused.length - 1
    for (let i = takes.length - 1; i >= 0; i--) {
      const { cost, resolve } = takes[i]!
      const isRefused = refused[last] === i
      if (isRefused) last--
      resolve(this.#result(!isRefused, remaining, now))
      if (!isRefused) remaining += cost
    }
    this.#sent = 0
  }

  fail(error: Error): void {
    this.isAsking = false
    for (const { reject } of this.waiting.splice(0)) reject(error)
  }

  #result(allowed: boolean, remaining: number, now: number): CounterResult {
    return { allowed, remaining, reset: Math.max(1, Math.ceil((this.end - now) / 1_000)) }
  }
}
