/** When the kernel asks a silent peer whether it is still there (RFC 9293 §3.8.4), in whole seconds. */
export interface KeepAlive {
  /** Silence before the first probe. */
  readonly idle: number
  /** From one probe to the next. */
  readonly interval: number
  /** Probes without an answer after which the connection is over. */
  readonly count: number
}

/** What of a handle of node this needs. Handles of Unix sockets have no such setting. */
interface Kept {
  setKeepAlive?(on: boolean, idle: number, interval: number, count: number): number
}

/** Sets it on a handle of node, which takes seconds; its sockets take milliseconds. */
export function keepAlive(handle: Kept, settings: KeepAlive | undefined): void {
  if (settings !== undefined) handle.setKeepAlive?.(true, settings.idle, settings.interval, settings.count)
}

/** Sets it, or takes it back, on a listening handle: on Linux its connections have what it had when they came. */
export function keepAliveOfListener(handle: Kept | null | undefined, settings: KeepAlive | undefined): void {
  const { idle, interval, count } = settings ?? { idle: 1, interval: 1, count: 1 }
  handle?.setKeepAlive?.(settings !== undefined, idle, interval, count)
}
