import type { Challenge } from '../acme/acme-state.ts'
import type { IssuedCertificate } from '../acme/issued-certificate.ts'
import type { LeaseNews, LeaseOrders } from '../grants/counter/lease-messages.ts'
import type { SessionNews } from '../listen/session-places.ts'
import type { SandboxEvent } from '../sandbox/event.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { PluginStats } from '../sandbox/stats.ts'
import type { TicketSecrets } from '../tls/ticket-rotation.ts'
import type { ConfigChanges } from './config-changes.ts'
import type { QuarantineState } from './plugin-faults.ts'

/** Health and weight of a backend, as measured by the worker that probes. */
export interface HealthReport {
  readonly upstream: string
  readonly address: string
  readonly healthy: boolean
  /** Measured by a `checkHealth` hook; replaces the configured weight. */
  readonly weight?: number | undefined
}

/** State of a worker. */
export interface WorkerStatus {
  /** Number of the configuration in force; `undefined` before the first. */
  readonly generation: number | undefined
  /** Requests and connections in progress. */
  readonly active: number
  /** Counts of each plugin, in the sandbox of the configuration in force. */
  readonly plugins: readonly PluginStats[]
}

/** Every kind of question that the supervisor can ask a worker, with its content and its answer. */
interface Questions {
  /** Prepares a configuration; the sockets that it needs are sent first. `problem`: why it cannot be put in force. */
  readonly prepare: {
    readonly question: {
      readonly generation: number
      /** Difference from the configuration that is in force in this worker. */
      readonly changes: ConfigChanges
      readonly runtime: Runtime
    }
    readonly answer: { readonly problem: string | undefined }
  }
  /** Puts a prepared configuration in force. */
  readonly commit: { readonly question: { readonly generation: number }; readonly answer: undefined }
  readonly status: { readonly question: object; readonly answer: WorkerStatus }
  /** Answers these challenges of the CA, and no others. */
  readonly challenge: { readonly question: { readonly challenges: readonly Challenge[] }; readonly answer: undefined }
}

export type QuestionKind = keyof Questions

export type Question<K extends QuestionKind = QuestionKind> = {
  readonly [Kind in K]: { readonly kind: Kind } & Questions[Kind]['question']
}[K]

export type Answer<K extends QuestionKind = QuestionKind> = Questions[K]['answer']

/** Messages from the supervisor to a worker. `socket` is sent with the handle of a bound socket. */
export type ToWorker =
  | { readonly type: 'socket'; readonly listener: string }
  /** The slot that the worker serves in, from 0. */
  | { readonly type: 'slot'; readonly index: number; readonly of: number }
  /** The answer has the same `id`. */
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  | { readonly type: 'abort'; readonly generation: number }
  | { readonly type: 'lead'; readonly on: boolean }
  | { readonly type: 'health'; readonly reports: readonly HealthReport[] }
  | { readonly type: 'quarantine'; readonly hash: string; readonly state: QuarantineState }
  | { readonly type: 'suspect'; readonly hashes: readonly string[]; readonly on: boolean }
  | { readonly type: 'counters'; readonly news: LeaseNews }
  | { readonly type: 'tickets'; readonly secrets: TicketSecrets }
  /** Certificates by ACME, new or instead of those with the same `id`. */
  | { readonly type: 'certificates'; readonly certificates: readonly IssuedCertificate[] }
  /** Challenges of the CA that were under way before this worker was there. */
  | { readonly type: 'challenges'; readonly challenges: readonly Challenge[] }
  /** Every worker answers the challenges that the worker's message with this `id` has named. */
  | { readonly type: 'challenged'; readonly id: number }
  /** Of the clients of this slot, when it begins, and while the worker before it still serves. */
  | { readonly type: 'sessions'; readonly news: SessionNews }
  /** `replaced`: another worker reads the sockets that this one was lent. */
  | { readonly type: 'drain'; readonly replaced: boolean }

/** Messages from a worker to the supervisor. */
export type ToSupervisor =
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly type: 'health'; readonly reports: readonly HealthReport[] }
  | { readonly type: 'events'; readonly events: readonly SandboxEvent[] }
  | { readonly type: 'counters'; readonly orders: LeaseOrders }
  /** The CA has challenged this worker; the answer is `challenged`. */
  | { readonly type: 'challenges'; readonly id: number; readonly challenges: readonly Challenge[] }
  /** The CA has issued a certificate; it is on disk. */
  | { readonly type: 'issued'; readonly certificate: IssuedCertificate }
  /** The worker was told to end (SIGTERM). It serves until it is told to drain: another one has to take over its sockets. */
  | { readonly type: 'leaving' }
  | { readonly type: 'sessions'; readonly news: SessionNews }
  /** The drain is over; so many requests and connections did not end by themselves. */
  | { readonly type: 'drained'; readonly cutOff: number }
  /** Why the log cannot be written. */
  | { readonly type: 'unwritable'; readonly problem: string }
