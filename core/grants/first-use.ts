import type { CounterAuthority } from './counter/authority.ts'
import { LeasedCounters } from './counter/leased-counters.ts'
import type { CounterStore } from './counter/store.ts'
import type { Fetcher } from './fetcher.ts'
import type { Operation } from './operation.ts'
import type { Outbound } from './outbound.ts'

/*
 * Parts that need a large package (undici, jose, rate-limiter-flexible). Loading these packages takes more CPU time
 * than the rest of a worker's start, and many workers never use them, so each is loaded when it is first used.
 */

type Load<T> = () => Promise<T>

/** Outgoing HTTP over the network. The signal of a request also ends its wait for the package to load. */
export function lazyOutbound(
  load: Load<Outbound> = async () => (await import('./outbound.ts')).createOutbound(),
): Outbound {
  const loaded = once(load)
  return async (request) => {
    const outbound = await untilAborted(loaded(), request.signal)
    return outbound(request)
  }
}

/** Host side of `Jwt`. */
export function lazyJwt(
  fetcher: Fetcher,
  load: Load<{ verify: Operation }> = async () => (await import('./jwt.ts')).createJwt(fetcher),
): { verify: Operation } {
  const loaded = once(load)
  return { verify: async (args, call) => (await loaded()).verify(args, call) }
}

/**
 * Counters in the memory of this process. What counts is loaded with the first key. Workers never load it, because they
 * lease points from the supervisor.
 */
export function lazyMemoryCounters(
  load: Load<CounterAuthority> = async () => new (await import('./counter/authority.ts')).CounterAuthority(sole),
): CounterStore {
  const joined = once(async () => (await load()).join((news) => counters.hear(news)))
  const counters = new LeasedCounters({
    ...sole,
    send: (orders) => {
      const fail = (): void => {
        const answers = orders.asks.map(([ref]) => [ref, 'internal error in the gateway'] as const)
        counters.hear({ answers, recalls: [] })
      }
      joined().then((worker) => worker.hear(orders), fail)
    },
  })
  return counters
}

const sole = { sole: true }

/** Calls `load` once and keeps its result. After a failure the next call tries again. */
function once<T>(load: Load<T>): Load<T> {
  let loading: Promise<T> | undefined
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined
      throw error
    })
    return loading
  }
}

/** Settles as `promise` does, or rejects with the signal's reason when the signal is aborted first. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
