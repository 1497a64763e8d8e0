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
  /** The memory of the process. Default: it is not looked at. */
  readonly memory?: ProcessMemory
  /**
   * A crossing with these calls begins. Called on the request path, so it must take no more than a microsecond or two.
   *
   * @param calls the list and what is in it are valid during this call only.
   * @param timeout time limit of the crossing, ms; the guard waits at least this long. Default: 0.
   * @param alone the one call crosses alone, so that what happens can have no other cause. Default: false.
   */
  enter(calls: readonly GuardedCall[], timeout?: number, alone?: boolean): void
  /** The crossing has returned or thrown. */
  leave(): void
  /**
   * The host begins (`on`), or has ended, to read what the last crossing has brought and to act on it: its thread must
   * not be stuck in that either. Default: that is not watched.
   */
  reading?(on: boolean): void
}

/** Memory of a process, MB. */
export interface ProcessSize {
  /** In the machine's memory. */
  readonly resident: number
  /** Addresses in use; 0 where that cannot be found out. */
  readonly virtual: number
}

/** The memory of the process, of which the limits of isolates count only the heaps. */
export interface ProcessMemory {
  join(member: MemoryMember): void
  leave(member: MemoryMember): void
  /** A crossing of this member has ended. Looks at the process, at most every 50 ms. */
  crossed(member: MemoryMember, now: number): void
  /** The size of the process now, without what its own heap holds. */
  look(): ProcessSize
}

/** A group of plugins, as one that may use memory of the process. */
export interface MemoryMember {
  /** For `ProcessMemory` only: when it crossed last. */
  turn: number
  /** What its isolates account for, MB. */
  held(): number
  /** The process has grown for unknown reasons, and this member has crossed since it was smaller. */
  watch(now: number): void
}
