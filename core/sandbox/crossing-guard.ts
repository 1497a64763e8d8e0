/** One call of a crossing, with the names needed to report it from outside the thread. */
export interface GuardedCall {
  /** Hash of the plugin's script: identifies the plugin in fault counts. */
  readonly hash: string
  readonly plugin: string
  readonly policy: string
  readonly hook: string
  /** Identifier of the request or connection, as the access log carries it. */
  readonly flow: string
}

/**
 * Watches crossings from outside the thread that makes them. It covers what a time limit cannot: code that runs past
 * the limit inside a builtin, and code that crashes the process.
 */
export interface CrossingGuard {
  /**
   * Int32, shared with the dispatchers. [0] is the number of the crossing that runs. [1] is the index in it of the call
   * whose code runs now, from 0; -1 while the dispatcher itself runs, or microtasks that earlier steps have queued.
   */
  readonly progress: SharedArrayBuffer
  /**
   * A crossing with these calls begins. Called on the request path, so it must take no more than a microsecond or two.
   *
   * @param timeout time limit of the crossing, ms; the guard waits at least this long. Default: 0.
   */
  enter(calls: readonly GuardedCall[], timeout?: number): void
  /** The crossing has returned or thrown. */
  leave(): void
  /**
   * The host begins (`on`), or has ended, to read what the last crossing has brought and to act on it: its thread must
   * not be stuck in that either. Default: that is not watched.
   */
  reading?(on: boolean): void
}
