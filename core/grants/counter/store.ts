import type { CounterLimit, CounterResult } from '../../../sdk/grants.ts'
import type { SharedLeases } from './shared-leases.ts'

/** Where the counters of policies are kept. */
export interface CounterStore {
  /**
   * Takes points from the budget of a policy's key, as `Counter.take` does; the limit is already checked. A take that
   * is refused takes nothing. Returns the result without a promise when it is available immediately.
   *
   * @throws {GrantError} when the store fails; or rejects with one.
   */
  take(policy: string, key: string, limit: CounterLimit): CounterResult | Promise<CounterResult>
  /** Lets isolates decide takes themselves. Default: the store decides all of them. */
  readonly leases?: SharedLeases
}
