import { CounterAuthority, type CounterWorker } from './authority.ts'
import { LeasedCounters } from './leased-counters.ts'
import type { CounterBounds } from './limit-table.ts'
import type { CounterStore } from './store.ts'

/** Counters in the memory of this process, not shared with other processes: one lease takes the whole budget. */
export function createMemoryCounters(bounds: CounterBounds = {}): CounterStore {
  const counters = new LeasedCounters({ ...bounds, sole: true, send: (orders) => worker.hear(orders) })
  const worker: CounterWorker = new CounterAuthority({ ...bounds, sole: true }).join((news) => counters.hear(news))
  return counters
}
