import type { CheckedConfig } from '../config/check.ts'
import { createMemoryCounters } from '../grants/memory-counters.ts'
import type { Log } from '../log.ts'
import type { SandboxEvent } from '../sandbox/event.ts'
import { createEventLog } from '../sandbox/event-log.ts'
import type { GuardedCall } from '../sandbox/guard.ts'
import type { CounterAnswer, CounterAsk, HealthReport, ToWorker } from './channel.ts'
import { readReport } from './guard-report.ts'
import { Quarantine } from './quarantine.ts'
import type { WorkerSlot } from './worker-slot.ts'

/** Tells every worker, but for the one that told it. */
export type Broadcast = (message: ToWorker, except?: WorkerSlot) => void

/** What the workers of a host have in common, kept where no worker's death can reach it. */
export class SharedState {
  readonly #log: Log
  readonly #broadcast: Broadcast
  readonly #counters = createMemoryCounters()
  readonly #health = new Map<string, HealthReport>()
  readonly #quarantine: Quarantine
  /** One for all workers, so that each thing is said once. */
  readonly #tell: (event: SandboxEvent) => void

  constructor(log: Log, broadcast: Broadcast) {
    this.#log = log
    this.#broadcast = broadcast
    this.#tell = createEventLog(log)
    this.#quarantine = new Quarantine({
      onChange: (hash, state, why) => {
        this.#log.warn('quarantine', { hash, state, why })
        this.#broadcast({ type: 'quarantine', hash, state })
      },
      onSuspects: (hashes, on) => this.#broadcast({ type: 'suspect', hashes, on }),
    })
  }

  /** What a worker has to know before its first request. */
  briefing(): ToWorker[] {
    const messages: ToWorker[] = [{ type: 'health', reports: [...this.#health.values()] }]
    for (const { hash, state } of this.#quarantine.snapshot()) messages.push({ type: 'quarantine', hash, state })
    messages.push({ type: 'suspect', hashes: this.#quarantine.suspects(), on: true })
    return messages
  }

  health(reports: readonly HealthReport[], from: WorkerSlot): void {
    for (const report of reports) this.#health.set(JSON.stringify([report.upstream, report.address]), report)
    this.#broadcast({ type: 'health', reports }, from)
  }

  /** Counts in the order in which it was asked, for all workers: a limit is never passed. */
  count(asks: readonly CounterAsk[]): Promise<CounterAnswer[]> {
    return Promise.all(
      asks.map(async ({ id, policy, key, ...limit }): Promise<CounterAnswer> => {
        try {
          return { id, ...(await this.#counters.take(policy, key, limit)) }
        } catch (error) {
          return { id, problem: error instanceof Error ? error.message : String(error) }
        }
      }),
    )
  }

  /** A configuration is in force: what it does not name any more is forgotten. */
  adopt(checked: CheckedConfig): void {
    this.#quarantine.adopt([...checked.policies.values()].map(({ plugin }) => plugin.hash))
    const { upstreams } = checked.config
    for (const [key, { upstream, address }] of this.#health) {
      const backends = Object.hasOwn(upstreams, upstream) ? upstreams[upstream]?.backends : undefined
      if (!backends?.some((backend) => backend.address === address)) this.#health.delete(key)
    }
  }

  events(events: readonly SandboxEvent[]): void {
    for (const event of events) {
      this.#tell(event)
      this.#quarantine.event(event)
    }
  }

  /** A worker has died: its watchdog may have said of whom, else it was one of those that ran. */
  blame(report: string, suspects: readonly GuardedCall[]): void {
    this.#quarantine.death(readReport(report), suspects)
  }

  close(): void {
    this.#quarantine.close()
  }
}
