import type { HttpPlan, TcpPlan } from '../snapshot.ts'

/** A bound socket and what arrives on it. It outlives reloads: a new configuration only changes its plan. */
export interface Listener {
  readonly plan: HttpPlan | TcpPlan
  /**
   * A new configuration is in force: whatever arrives from now on runs under its plan. What is under way goes on under
   * the old one; L4 connections that the new one would not have made end after `drain` milliseconds.
   */
  replan(plan: HttpPlan | TcpPlan, drain: number): void
  /** Binds; rejects with a message that names the listener, the address and the reason. */
  open(): Promise<void>
  /** The port it is bound to, also when the configuration said 0. */
  readonly port: number
  /** Connections (L4) or requests (L7) under way. */
  readonly active: number
  /** Takes nothing new; resolves when everything under way has ended. */
  drain(): Promise<void>
  /** Ends everything under way now. */
  close(): void
}
