import type { CheckedConfig } from '../config/check.ts'
import type { SandboxEvent } from '../sandbox/event.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { QuarantineState } from './dossier.ts'

/** A backend's health and weight, as the leading worker found them. */
export interface HealthReport {
  readonly upstream: string
  readonly address: string
  readonly healthy: boolean
  /** Takes the place of the configured one; a `checkHealth` hook measured it. */
  readonly weight?: number | undefined
}

/** One `counter.take`, asked of the supervisor, which counts for all workers of the host. */
export interface CounterAsk {
  readonly id: number
  readonly policy: string
  readonly key: string
  readonly points: number
  /** Seconds. */
  readonly duration: number
  readonly cost: number
}

/** Its answer, or why there is none. */
export type CounterAnswer =
  | { readonly id: number; readonly allowed: boolean; readonly remaining: number; readonly reset: number }
  | { readonly id: number; readonly problem: string }

/** What the supervisor tells a worker. A `socket` comes with the handle of a bound socket. */
export type ToWorker =
  | { readonly type: 'socket'; readonly listener: string }
  | {
      readonly type: 'prepare'
      readonly generation: number
      readonly checked: CheckedConfig
      readonly runtime: Runtime
    }
  | { readonly type: 'commit'; readonly generation: number }
  | { readonly type: 'abort'; readonly generation: number }
  | { readonly type: 'lead'; readonly on: boolean }
  | { readonly type: 'health'; readonly reports: readonly HealthReport[] }
  | { readonly type: 'quarantine'; readonly hash: string; readonly state: QuarantineState }
  | { readonly type: 'suspect'; readonly hashes: readonly string[]; readonly on: boolean }
  | { readonly type: 'counters'; readonly answers: readonly CounterAnswer[] }
  | { readonly type: 'drain' }

/** What a worker tells the supervisor. */
export type ToSupervisor =
  | { readonly type: 'prepared'; readonly generation: number; readonly problem: string | undefined }
  | { readonly type: 'committed'; readonly generation: number }
  | { readonly type: 'health'; readonly reports: readonly HealthReport[] }
  | { readonly type: 'events'; readonly events: readonly SandboxEvent[] }
  | { readonly type: 'counters'; readonly asks: readonly CounterAsk[] }
