import type { CounterLimit, CounterResult } from '../../../sdk/grants.ts'

/** Where the counters of policies are kept. */
export interface CounterStore {
  /**
   * Takes from the budget of a policy's key, as in `Counter.take`; the limit has been checked. A take that is refused
   * takes nothing. Returns no promise where it can answer immediately.
   *
   * @throws {GrantError} when the store cannot do it; or rejects with one.
   */
  take(policy: string, key: string, limit: CounterLimit): CounterResult | Promise<CounterResult>
}
