import type { PosternError } from '../errors.ts'
import type { HookResult } from '../hooks/chain.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import type { Phases } from './phases.ts'

/** What there is to tell of flows; `kind` says which. Observers read the facts inside `observe` and keep none of the objects. */
export type FlowEvent = FlowEnd | HookEvent | MalformedEvent

/** A request (`flow.request` is there) or an L4 connection is over, early exits included. */
export interface FlowEnd {
  readonly kind: 'end'
  readonly flow: FlowFacts
  /** Bytes from the client and to it: of the bodies of a request, or of a connection or tunnel. */
  readonly bytesIn: number
  readonly bytesOut: number
  readonly phases: Phases
  /** Why it did not end well. */
  readonly error: PosternError | undefined
}

/** A policy had its turn in a hook, or was passed over. */
export interface HookEvent {
  readonly kind: 'hook'
  readonly flow: FlowFacts
  readonly result: HookResult
}

/** Bytes that never became a request. */
export interface MalformedEvent {
  readonly kind: 'malformed'
  readonly listener: string
  /** Address of the peer. */
  readonly client: string
  readonly error: PosternError
}

/** The log, metrics, recent flows and whatever else wants to know of flows. */
export interface FlowObserver {
  /** Whether it observes hooks that went well too; without it only those that failed. */
  readonly seesHooks?: boolean
  /** On the request path: takes microseconds, and throws nothing. */
  observe(event: FlowEvent): void
}

/** Where flows tell what happens to them: every observer hears every event. */
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
