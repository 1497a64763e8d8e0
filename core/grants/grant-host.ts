import { createCounter } from './counter/counter.ts'
import type { SharedLeases } from './counter/shared-leases.ts'
import type { CounterStore } from './counter/store.ts'
import { createDigest } from './digest.ts'
import { createFetch } from './fetch.ts'
import { createFetcher, type Fetcher } from './fetcher.ts'
import { lazyJwt, lazyMemoryCounters, lazyOutbound } from './first-use.ts'
import { GrantError } from './grant-error.ts'
import { createKv } from './kv.ts'
import { createMetric } from './metric.ts'
import { type MetricFamily, MetricRegistry } from './metric-registry.ts'
import type { GrantCall, Operation } from './operation.ts'
import { createPluginLog, type PluginLine } from './plugin-log.ts'

/** The grants, as the sandbox uses them. */
export interface GrantHost {
  /**
   * Performs one operation. Returns the result without a promise when it is available immediately.
   *
   * @throws {GrantError} when an argument is invalid or the operation fails; or rejects with one.
   */
  perform(call: GrantCall): readonly string[] | Promise<readonly string[]>
  /**
   * Operations that take microseconds and usually have their result immediately: they may be performed while a plugin's
   * code occupies the thread. Default: none.
   */
  readonly immediate?: ReadonlySet<string>
  /** Leases of `counter.take` from which isolates may decide themselves. Default: none. */
  readonly leases?: SharedLeases | undefined
}

/** The grants, and the metrics that plugins have recorded with them. */
export interface GrantService extends GrantHost {
  /** Everything that plugins have counted and observed so far. */
  metrics(): readonly MetricFamily[]
}

export interface GrantHostOptions {
  /** Where counters are kept. Default: in the memory of this process. */
  readonly counters?: CounterStore
  /** Sends requests. Default: over the network. */
  readonly fetch?: Fetcher
  /** Where log lines of plugins go. Default: nowhere. */
  readonly onLog?: (line: PluginLine) => void
}

/** Characters of one argument. */
const largestArgument = 64 * 1024

const immediate: ReadonlySet<string> = new Set([
  'counter.take',
  'digest.sha256',
  'digest.hmac',
  'digest.verify',
  'digest.random',
  'kv.get',
  'kv.set',
  'kv.delete',
  'kv.increment',
])

/** Created once per process, so that counters, keys and stored entries survive a reload of the configuration. */
export function createGrantHost(options: GrantHostOptions = {}): GrantService {
  const { counters = lazyMemoryCounters(), fetch = createFetcher(lazyOutbound()), onLog } = options
  const registry = new MetricRegistry()
  const grants: Record<string, Record<string, Operation>> = {
    counter: createCounter(counters),
    digest: createDigest(),
    fetch: createFetch(fetch),
    jwt: lazyJwt(fetch),
    kv: createKv(),
    log: createPluginLog(onLog),
    metric: createMetric(registry),
  }
  const operations = new Map<string, Operation>(
    Object.entries(grants).flatMap(([grant, all]) =>
      Object.entries(all).map(([name, run]) => [`${grant}.${name}`, run] as const),
    ),
  )
  return {
    perform: (call) => {
      const run = operations.get(call.operation)
      if (run === undefined) throw new GrantError('unknown operation')
      for (const arg of call.args) {
        if (arg.length > largestArgument)
          throw new GrantError(`an argument has ${arg.length} characters; the limit is ${largestArgument}`)
      }
      try {
        const result = run(call.args, call)
        return result instanceof Promise ? result.catch(fail) : result
      } catch (error) {
        return fail(error)
      }
    },
    immediate,
    leases: counters.leases,
    metrics: () => registry.families(),
  }
}

/** Hides errors inside the host from plugins; only a `GrantError` is meant for them. */
function fail(error: unknown): never {
  throw error instanceof GrantError ? error : new GrantError('internal error in the gateway', { cause: error })
}
