/** One call of a crossing, as the outside may have to name it. */
export interface GuardedCall {
  /** Hash of the plugin's script: the identity that is blamed. */
  readonly hash: string
  readonly plugin: string
  readonly policy: string
  readonly hook: string
  /** Identifier of the request or connection, as the access log carries it. */
  readonly flow: string
}

/**
 * Watches crossings from outside the thread that makes them, for what a time limit cannot hold: code that outlasts it
 * inside a builtin, and code that takes the process with it.
 */
export interface CrossingGuard {
  /**
   * Int32, shared with the dispatchers: [0] is the number of the crossing that runs, [1] the index in it of the call whose
   * code runs now, from 0; -1 when the dispatcher itself does, or what steps before left in the queue of microtasks.
   */
  readonly progress: SharedArrayBuffer
  /**
   * A crossing with these calls begins; called on the request path, so it costs a microsecond or two and no more.
   *
   * @param timeout time limit of the crossing, ms, which the guard lets pass first. Default: 0.
   */
  enter(calls: readonly GuardedCall[], timeout?: number): void
  /** It has returned, or thrown. */
  leave(): void
}
