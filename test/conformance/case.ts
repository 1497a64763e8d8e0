import type { Json } from '../helpers/gateway.ts'

/** One thing that an intermediary must do, seen from both sides. */
export interface Case {
  /** Section of the RFC that asks for it; what is stricter than any RFC names none. */
  readonly rfc?: string
  readonly what: string
  /** Sections of the configuration, merged over one listener, one route and one upstream with the backend. */
  readonly config?: { [section: string]: { [name: string]: Json } }
  /** What the client sends. */
  readonly client: string
  /** What it sends later, each as soon as this text has come from the gateway. */
  readonly later?: readonly { readonly after: string; readonly send: string }[]
  /**
   * What the backend sends for each complete request, in order; the last for all that follow. `{end}` and `{reset}` end
   * its connection there. Default: an empty 200.
   */
  readonly backend?: readonly string[]
  /** What the backend sends as soon as it has the head of a request, before its body. */
  readonly atHead?: string
  /** Every byte that each connection to the backend has brought, in order of connecting. */
  readonly seen: readonly string[]
  /** Every byte that the client got. */
  readonly got: string
  /** How the client's connection is left. Default: open. */
  readonly end?: 'open' | 'fin' | 'reset'
}

/** The cases of a duty of `http.md`, under its number. */
export interface Duty {
  readonly number: number
  readonly title: string
  readonly cases: readonly Case[]
}
