import type { ListenerConfig } from '../config/types.ts'
import type { HttpPlan, TcpPlan } from '../snapshot/snapshot.ts'

/** A bound socket and its connections. It survives reloads: a new configuration only changes its plan. */
export interface Listener {
  readonly plan: HttpPlan | TcpPlan
  /**
   * Activates a new plan: new requests and connections use it. Those under way continue under the old one; L4 connections
   * that the new plan does not allow (see `ConnectionFlow.survives`) end after `drain` milliseconds.
   */
  replan(plan: HttpPlan | TcpPlan, drain: number): void
  /** Binds the address, or uses a bound socket; rejects with a message that names listener, address and reason. */
  open(socket: BoundHandle | undefined): Promise<void>
  /** The port it is bound to, also when the configuration said 0. */
  readonly port: number
  /** Connections (L4) or requests (L7) under way. */
  readonly active: number
  /** A drain follows: announces to clients where the protocol can that their connection closes. Still accepts everything. */
  leave(): void
  /** Another process reads the socket from now on. A drain follows. */
  handOver?(): void
  /** Accepts nothing new; resolves when everything under way has ended. */
  drain(): Promise<void>
  /** Ends everything under way immediately. */
  close(): void
}

/** A bound socket passed on by another process: any handle that `server.listen` accepts. */
export type BoundHandle = object

/** Identifies a socket across reloads, by protocol, address and port; with port 0 also by the listener's name. */
export function listenerKey(name: string, { protocol, address, port }: ListenerConfig): string {
  return JSON.stringify(port === 0 ? [protocol, address, port, name] : [protocol, address, port])
}
