import type { CounterLease } from './lease.ts'
import { LeaseJournal } from './lease-journal.ts'
import { LeaseSlots } from './lease-slots.ts'

export interface SharedLeasesOptions {
  /** Milliseconds on the clock of the leases. */
  readonly now: () => number
  find(policy: string, key: string, points: number, duration: number): CounterLease | undefined
  /** The dispatcher has decided a take of the lease. */
  onTake(lease: CounterLease): void
}

interface Opened {
  readonly slots: LeaseSlots
  users: number
}

/**
 * The leases of a worker whose takes the dispatchers of its isolates decide, in memory that they share with the host:
 * everything runs on one thread, one after the other. Every policy has memory of its own, which its successors after a
 * reload find again.
 */
export class SharedLeases {
  /** Of the crossing that is under way. */
  readonly journal: SharedArrayBuffer = new SharedArrayBuffer(LeaseJournal.bytes)
  readonly #options: SharedLeasesOptions
  readonly #opened = new Map<string, Opened>()

  constructor(options: SharedLeasesOptions) {
    this.#options = options
  }

  now(): number {
    return this.#options.now()
  }

  /**
   * The memory of a policy, until `close` was called as often as this.
   *
   * @param size leases that have room when the memory is made here.
   */
  open(policy: string, size: number): LeaseSlots {
    const opened = this.#opened.get(policy) ?? { slots: new LeaseSlots(size), users: 0 }
    opened.users++
    this.#opened.set(policy, opened)
    return opened.slots
  }

  close(policy: string): void {
    const opened = this.#opened.get(policy)
    if (opened === undefined || --opened.users > 0) return
    opened.slots.clear()
    this.#opened.delete(policy)
  }

  /**
   * The place of the lease from which this take was decided; it gets one if it has none. `undefined`: the host decides
   * all takes of this key, because it is too long, or all that are written in this way.
   *
   * @param args of `counter.take`, found to be valid.
   */
  place(policy: string, args: readonly string[]): number | undefined {
    const [key, points, duration] = args
    if (args.length !== 4 || key === undefined || `${Number(points)}` !== points || `${Number(duration)}` !== duration)
      return undefined
    const lease = this.#options.find(policy, key, Number(points), Number(duration))
    return lease && this.#opened.get(policy)?.slots.put(lease)
  }

  /** The dispatcher has decided a take, after which this much is left. */
  took(lease: CounterLease, left: number): void {
    lease.numbers.left = left
    lease.limit.used = this.now()
    this.#options.onTake(lease)
  }

  /** The lease is forgotten. */
  forget(lease: CounterLease): void {
    this.#opened.get(lease.limit.policy)?.slots.remove(lease)
  }
}
