import type { PosternError } from '../errors.ts'
import type { HookResult } from '../hooks/chain.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import type { Phases } from './phases.ts'

/** An event of a flow, by `kind`. Observers read the facts inside `observe` and must not keep any of the objects. */
export type FlowEvent = FlowEnd | HookEvent | MalformedEvent | HandshakeEvent

/** A request (`flow.request` is defined) or an L4 connection or session has ended, early exits included. */
export interface FlowEnd {
  readonly kind: 'end'
  readonly flow: FlowFacts
  /** Bytes from the client and to it: of the bodies of a request, or of a connection or tunnel. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Datagrams from the client and to it, of a session of UDP. */
  readonly datagrams?: { readonly in: number; readonly out: number } | undefined
  readonly phases: Phases
  /** Version of HTTP that the client used. */
  readonly version?: string
  /** Backends that were chosen for it, one after the other, the last one included. */
  readonly attempts: number
  /** Why it failed; `undefined` when it did not. */
  readonly error: PosternError | undefined
}

/** A policy had its turn in a hook, or was skipped. */
export interface HookEvent {
  readonly kind: 'hook'
  readonly flow: FlowFacts
  readonly result: HookResult
}

/** Bytes that never became a request. */
export interface MalformedEvent {
  readonly kind: 'malformed'
  /** As the client was told it. */
  readonly id: string
  readonly listener: string
  /** Address of the peer. */
  readonly client: string
  /** As far as they could be read. */
  readonly method: string | undefined
  readonly path: string | undefined
  readonly error: PosternError
}

/** A connection that ended before its flow began: during the TLS handshake, or because no route takes it. */
export interface HandshakeEvent {
  readonly kind: 'handshake'
  /** `connection`: the gateway does no handshake with this client. */
  readonly msg: 'handshake' | 'connection'
  readonly id: string
  readonly listener: string
  /** Address and port of the peer. */
  readonly client: string
  readonly port: number
  /** The server that the client asked for, if it came so far and named one. */
  readonly serverName: string | undefined
  /** Name of the alert (RFC 8446 §6.2) that ended it, of either side; `undefined`: none, or it is not known. */
  readonly alert: string | undefined
  readonly ms: number
  readonly error: PosternError
}

/** Receives the events of flows: the log, metrics, recent flows. */
export interface FlowObserver {
  /** Whether it observes hooks that succeeded too. Default: only those that failed. */
  readonly seesHooks?: boolean
  /** Runs on the request path: must take microseconds at most, and must not throw. */
  observe(event: FlowEvent): void
}

/** Passes every event of the flows to every observer. */
export class Tap {
  readonly #observers: readonly FlowObserver[]
  readonly #seesHooks: boolean

  constructor(observers: readonly FlowObserver[]) {
    this.#observers = observers
    this.#seesHooks = observers.some(({ seesHooks }) => seesHooks)
  }

  hook(flow: FlowFacts, result: HookResult): void {
    if (this.#seesHooks || result.error !== undefined) this.tell({ kind: 'hook', flow, result })
  }

  tell(event: FlowEvent): void {
    for (const observer of this.#observers) observer.observe(event)
  }
}
