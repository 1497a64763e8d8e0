import type { CounterLimit, CounterResult } from '../../../sdk/grants.ts'
import { ownText } from '../../own-text.ts'
import { GrantError } from '../grant-error.ts'
import { CounterLease } from './lease.ts'
import type { LeaseNews, LeaseOrders, LeaseReturn } from './lease-messages.ts'
import { type CounterBounds, type Limit, LimitTable } from './limit-table.ts'
import { SharedLeases } from './shared-leases.ts'
import type { CounterStore } from './store.ts'

export interface LeasedCountersOptions extends CounterBounds {
  /** Sends a message to the authority. Messages must arrive in the order in which they are sent. */
  readonly send: (orders: LeaseOrders) => void
  /** There is no other worker, so one lease takes all points. Default: false. */
  readonly sole?: boolean
  /** Milliseconds on a clock that is never set back. Default: `performance.now`. */
  readonly now?: () => number
}

/**
 * A worker's side of the counters. A take is decided immediately when the points that the authority has leased to this
 * worker are enough. Otherwise the worker asks the authority, with one message for all takes of a turn of the event
 * loop.
 */
export class LeasedCounters implements CounterStore {
  readonly leases: SharedLeases
  readonly #send: (orders: LeaseOrders) => void
  readonly #sole: boolean
  readonly #now: () => number
  readonly #limits: LimitTable<CounterLease, Limit<CounterLease>>
  readonly #leases = new Map<number, CounterLease>()
  #listed: CounterLease[] = []
  #returns: LeaseReturn[] = []
  #isScheduled = false
  #lastRef = 0

  constructor({ send, sole = false, now = () => performance.now(), ...bounds }: LeasedCountersOptions) {
    this.#send = send
    this.#sole = sole
    this.#now = now
    this.#limits = new LimitTable(
      bounds,
      (policy, points, duration) => ({ policy, points, duration, windows: new Map(), used: 0 }),
      (_limit, _key, lease, isFull) => this.#forget(lease, isFull),
    )
    this.leases = new SharedLeases({
      now,
      find: (policy, key, points, duration) => this.#limits.find(policy, points, duration)?.windows.get(key),
      onTake: (lease) => this.#look(lease, this.#now()),
    })
  }

  take(
    policy: string,
    key: string,
    { points, duration, cost = 1 }: CounterLimit,
  ): CounterResult | Promise<CounterResult> {
    const now = this.#now()
    const limit = this.#limits.get(policy, points, duration, now)
    const known = limit.windows.get(key)
    if (known !== undefined) {
      const result = known.decide(cost, now)
      if (result !== undefined) {
        this.#look(known, now)
        return result
      }
    }
    return new Promise((resolve, reject) => {
      const lease = known ?? new CounterLease(++this.#lastRef, limit, ownText(key))
      lease.waiting.push({ cost, resolve, reject })
      this.#list(lease)
      if (lease === known) return
      this.#leases.set(lease.ref, lease)
      this.#limits.begun(limit, lease.key, lease)
    })
  }

  /** A take was decided; perhaps it is time to ask for more points. */
  #look(lease: CounterLease, now: number): void {
    if (lease.wantsNews(now)) this.#list(lease)
  }

  /** Handles a message from the authority. */
  hear({ answers, recalls }: LeaseNews): void {
    const now = this.#now()
    for (const answer of answers) {
      const lease = this.#leases.get(answer[0])
      if (lease === undefined) continue
      if (answer.length === 2) {
        lease.fail(new GrantError(answer[1]))
        continue
      }
      const { limit, key } = lease
      if (answer[1] !== lease.window && limit.windows.get(key) === lease) this.#limits.begun(limit, key, lease)
      lease.answer(answer, now)
      this.#serve(lease, now)
    }
    for (const ref of recalls) {
      const lease = this.#leases.get(ref)
      this.#return([ref, lease?.window ?? 0, lease?.giveBack() ?? 0])
    }
  }

  /** Decides takes that began to wait after the ask was sent, or lists the lease for another ask. */
  #serve(lease: CounterLease, now: number): void {
    const { waiting } = lease
    while (waiting.length > 0) {
      const result = lease.decide(waiting[0]!.cost, now)
      if (result === undefined) return this.#list(lease)
      waiting.shift()!.resolve(result)
    }
  }

  #forget(lease: CounterLease, isFull: boolean): boolean {
    if (lease.isAsking || lease.isListed || (!isFull && lease.numbers.end > this.#now())) return false
    this.#leases.delete(lease.ref)
    this.leases.forget(lease)
    if (lease.left > 0) this.#return([lease.ref, lease.window, lease.giveBack()])
    return true
  }

  #list(lease: CounterLease): void {
    // A lease has one ask in progress at a time.
    if (lease.isAsking || lease.isListed) return
    lease.isListed = true
    this.#listed.push(lease)
    this.#schedule()
  }

  #return(points: LeaseReturn): void {
    this.#returns.push(points)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#isScheduled = false
    const now = this.#now()
    const returns = this.#returns
    const asks = this.#listed.map((lease) => {
      lease.isListed = false
      return lease.ask(now, this.#sole)
    })
    this.#returns = []
    this.#listed = []
    this.#send({ returns, asks })
  }
}
