import type { Origin } from './origin.ts'

/** The text for an absent argument, field or part of a result, which is not the same as an empty one. */
export const ABSENT = '\x1a'

/** One operation of a grant, called by a hook. */
export interface GrantCall {
  /** `grant.operation`, as in `sdk/grants.ts`. */
  readonly operation: string
  readonly args: readonly string[]
  /** Name of the policy: every policy has its own counters. */
  readonly policy: string
  readonly plugin: GrantUser
  /** Origins that requests of this plugin may reach. */
  readonly origins: readonly Origin[]
  /** Identifier of the request; `undefined` on L4. */
  readonly request?: string | undefined
  /** Aborted when the hook no longer waits for the result. */
  readonly signal: AbortSignal
  /**
   * Counts bytes that the operation keeps in memory until it subtracts them again, even when the hook has ended before.
   *
   * @throws {GrantError} when the calls of this policy hold too many.
   */
  hold(bytes: number): void
  /** Charges CPU time of the gateway to the hook, whose time limit it counts against, ms. */
  spend(ms: number): void
}

/** The plugin that calls an operation. */
export interface GrantUser {
  readonly name: string
  readonly publisher: string
  /** Hash of its code. */
  readonly hash: string
}

/** An operation: its arguments as text in, its result as text out. */
export type Operation = (args: readonly string[], call: GrantCall) => Promise<readonly string[]> | readonly string[]
