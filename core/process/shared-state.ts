import { CounterAuthority } from '../grants/counter/authority.ts'
import type { LastCrossing } from '../guard/crash-slot.ts'
import { readReport } from '../guard/end-report.ts'
import type { SandboxEvent } from '../sandbox/event.ts'
import { createEventLog } from '../sandbox/event-log.ts'
import type { Log } from '../telemetry/log.ts'
import { TicketRotation } from '../tls/ticket-rotation.ts'
import type { HealthReport, ToWorker } from './channel.ts'
import type { PackedConfig } from './packed-config.ts'
import type { QuarantineState } from './plugin-faults.ts'
import { Quarantine } from './quarantine.ts'
import type { WorkerSlot } from './worker-slot.ts'

/** Sends a message to every worker except `except`. */
export type Broadcast = (message: ToWorker, except?: WorkerSlot) => void

const effects: Readonly<Record<QuarantineState, string>> = {
  open: 'its calls are not run any more and fail with PQ',
  'half-open': 'one call is tried',
  closed: 'it runs again',
}

/** State that the workers of a host share. It is kept in the supervisor, so it survives the death of a worker. */
export class SharedState {
  readonly counters: CounterAuthority = new CounterAuthority()
  readonly #log: Log
  readonly #broadcast: Broadcast
  readonly #health = new Map<string, HealthReport>()
  readonly #quarantine: Quarantine
  readonly #tickets: TicketRotation
  /** Names of the policies in force, by the hash of their plugin. */
  #policies: ReadonlyMap<string, readonly string[]> = new Map()
  /** One for all workers, so that each event is logged once. */
  readonly #tell: (event: SandboxEvent) => void

  constructor(log: Log, broadcast: Broadcast) {
    this.#log = log
    this.#broadcast = broadcast
    this.#tell = createEventLog(log)
    this.#tickets = new TicketRotation((secrets) => this.#broadcast({ type: 'tickets', secrets }))
    this.#quarantine = new Quarantine({
      onChange: (hash, state, why) => {
        this.#log.warn('quarantine', { ...this.#told(hash, state), why })
        this.#broadcast({ type: 'quarantine', hash, state })
      },
      onSuspects: (hashes, on) => this.#broadcast({ type: 'suspect', hashes, on }),
    })
  }

  /** What an operator needs to know of a plugin's quarantine. */
  #told(hash: string, state: QuarantineState): Record<string, unknown> {
    const { plugin, since, until } = this.#quarantine.snapshot().find((entry) => entry.hash === hash)!
    const end = until === undefined ? 'until its code changes' : `${Math.round((until - since) / 1000)}s`
    const policies = this.#policies.get(hash) ?? []
    return { plugin, policies, state, effect: effects[state], ...(state === 'open' && { for: end }), hash }
  }

  /** Messages that a worker needs before its first request. */
  briefing(): ToWorker[] {
    const messages: ToWorker[] = [
      { type: 'health', reports: [...this.#health.values()] },
      { type: 'tickets', secrets: this.#tickets.secrets },
    ]
    for (const { hash, state } of this.#quarantine.snapshot()) messages.push({ type: 'quarantine', hash, state })
    messages.push({ type: 'suspect', hashes: this.#quarantine.suspects(), on: true })
    return messages
  }

  health(reports: readonly HealthReport[], from: WorkerSlot): void {
    for (const report of reports) this.#health.set(JSON.stringify([report.upstream, report.address]), report)
    this.#broadcast({ type: 'health', reports }, from)
  }

  /** A configuration is in force: forgets plugins and backends that it no longer uses. */
  adopt({ rest, addresses }: PackedConfig): void {
    this.#policies = Map.groupBy(rest.policies.keys(), (name) => rest.policies.get(name)!.plugin.hash)
    this.#quarantine.adopt(this.#policies.keys())
    for (const [key, { upstream, address }] of this.#health) {
      if (addresses.get(upstream)?.has(address) !== true) this.#health.delete(key)
    }
  }

  events(events: readonly SandboxEvent[]): void {
    for (const event of events) {
      this.#tell(event)
      this.#quarantine.event(event)
    }
  }

  /**
   * A worker has died. The report of its watchdog, or else its crash slot, names the calls that ran.
   *
   * @returns see `Quarantine.death`.
   */
  blame(report: string, last: LastCrossing): boolean {
    return this.#quarantine.death(readReport(report), last)
  }

  close(): void {
    this.#quarantine.close()
    this.#tickets.close()
  }
}
