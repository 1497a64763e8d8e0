import { LeaseJournal } from '../../core/grants/counter/lease-journal.ts'
import type { LeaseSlots } from '../../core/grants/counter/lease-slots.ts'
import type { LeasedCounters } from '../../core/grants/counter/leased-counters.ts'
import { Leases } from '../../core/sandbox/guest/leases.ts'
import { encodeField, OPERATION, op, UNIT } from '../../core/sandbox/wire.ts'
import type { CounterLimit, CounterResult } from '../../sdk/grants.ts'

const policy = 'p'

/** The record of a hook that waits for this take, its first operation. */
export function takeRecord(args: readonly (string | number)[], number = 1): string {
  const values = args.map((arg) => encodeField(String(arg)))
  return [op.grant, number, 'counter.take', ...values].join(UNIT) + OPERATION + op.wait
}

/** The dispatchers of a worker's isolates, without isolates: they decide what they can, the worker the rest. */
export class DispatcherModel {
  /** Takes that the dispatchers have decided. */
  decided = 0
  readonly slots: LeaseSlots
  readonly #counters: LeasedCounters
  readonly #dispatchers: readonly Leases[]
  readonly #journal: LeaseJournal
  #runs = 0

  /** @param size leases that have room in memory. */
  constructor(counters: LeasedCounters, size: number) {
    const { leases } = counters
    this.#counters = counters
    this.slots = leases.open(policy, size)
    this.#journal = new LeaseJournal(leases.journal)
    const entries = JSON.stringify([{ plugin: 0, entry: 0, memory: 0, operations: 64 }])
    // Two that take turns, as an isolate and its successor.
    this.#dispatchers = [0, 1].map(() => new Leases(entries, leases.journal, [this.slots.memory]))
  }

  /** A crossing. */
  cross(
    takes: readonly (readonly [key: string, limit: Required<CounterLimit>])[],
  ): (CounterResult | Promise<CounterResult>)[] {
    this.#journal.clear()
    this.#journal.now = this.#counters.leases.now()
    const results = takes.map(([key, limit]) => this.#take(key, limit))
    this.#adopt()
    return results
  }

  #take(key: string, limit: Required<CounterLimit>): CounterResult | Promise<CounterResult> {
    const run = ++this.#runs
    const taker = this.#dispatchers[run % 2]!.taker(0, 0, run)!
    const args = [key, limit.points, limit.duration, limit.cost].map(String)
    const decided = taker.decide(takeRecord(args))
    if (decided !== undefined) {
      this.decided++
      const [, , allowed, remaining, reset] = decided.split(UNIT)
      return { allowed: allowed === '1', remaining: Number(remaining), reset: Number(reset) }
    }
    this.#adopt()
    const result = this.#counters.take(policy, key, limit)
    if (result instanceof Promise) return result
    const place = this.#counters.leases.place(policy, args)
    if (place !== undefined) taker.learn(place)
    return result
  }

  #adopt(): void {
    for (let i = 0; i < this.#journal.length; i++) {
      const { place, left } = this.#journal.at(i)
      this.#counters.leases.took(this.slots.at(place)!, left)
    }
    this.#journal.clear()
  }
}
