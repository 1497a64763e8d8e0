import type { ListenerConfig } from '../config/types.ts'
import type { HttpPlan, TcpPlan } from '../snapshot/snapshot.ts'

/** A bound socket and what arrives on it. It outlives reloads: a new configuration only changes its plan. */
export interface Listener {
  readonly plan: HttpPlan | TcpPlan
  /**
   * A new configuration is in force: whatever arrives from now on runs under its plan. What is under way goes on under
   * the old one; L4 connections that the new one would not have made end after `drain` milliseconds.
   */
  replan(plan: HttpPlan | TcpPlan, drain: number): void
  /** Binds, or takes a socket that is bound; rejects with a message that names listener, address and reason. */
  open(socket: BoundHandle | undefined): Promise<void>
  /** The port it is bound to, also when the configuration said 0. */
  readonly port: number
  /** Connections (L4) or requests (L7) under way. */
  readonly active: number
  /** Takes nothing new; resolves when everything under way has ended. */
  drain(): Promise<void>
  /** Ends everything under way now. */
  close(): void
}

/** A bound socket that another process handed over: whatever `server.listen` takes as a handle. */
export type BoundHandle = object

/** A socket outlives a reload as long as it is bound to the same place in the same protocol. */
export function listenerKey(name: string, { protocol, address, port }: ListenerConfig): string {
  return JSON.stringify(port === 0 ? [protocol, address, port, name] : [protocol, address, port])
}
