import type { LeaseNews, LeaseOrders } from '../grants/counter/lease-messages.ts'
import type { SandboxEvent } from '../sandbox/event.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { ConfigChanges } from './config-changes.ts'
import type { QuarantineState } from './plugin-faults.ts'

/** A backend's health and weight, as the leading worker found them. */
export interface HealthReport {
  readonly upstream: string
  readonly address: string
  readonly healthy: boolean
  /** Takes the place of the configured one; a `checkHealth` hook measured it. */
  readonly weight?: number | undefined
}

/** What the supervisor tells a worker. A `socket` comes with the handle of a bound socket. */
export type ToWorker =
  | { readonly type: 'socket'; readonly listener: string }
  | {
      readonly type: 'prepare'
      readonly generation: number
      /** To the configuration that it has in force. */
      readonly changes: ConfigChanges
      readonly runtime: Runtime
    }
  | { readonly type: 'commit'; readonly generation: number }
  | { readonly type: 'abort'; readonly generation: number }
  | { readonly type: 'lead'; readonly on: boolean }
  | { readonly type: 'health'; readonly reports: readonly HealthReport[] }
  | { readonly type: 'quarantine'; readonly hash: string; readonly state: QuarantineState }
  | { readonly type: 'suspect'; readonly hashes: readonly string[]; readonly on: boolean }
  | { readonly type: 'counters'; readonly news: LeaseNews }
  | { readonly type: 'drain' }

/** What a worker tells the supervisor. */
export type ToSupervisor =
  | { readonly type: 'prepared'; readonly generation: number; readonly problem: string | undefined }
  | { readonly type: 'committed'; readonly generation: number }
  | { readonly type: 'health'; readonly reports: readonly HealthReport[] }
  | { readonly type: 'events'; readonly events: readonly SandboxEvent[] }
  | { readonly type: 'counters'; readonly orders: LeaseOrders }
