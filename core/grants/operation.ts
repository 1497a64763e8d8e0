import type { Origin } from './origin.ts'

/** Stands for an argument, a field or a part of a result that is absent, which is not the same as an empty one. */
export const ABSENT = '\x1a'

/** One operation of a grant, as a hook asked for it. */
export interface GrantCall {
  /** `grant.operation`, as in `sdk/grants.ts`. */
  readonly operation: string
  readonly args: readonly string[]
  /** Name of the policy: what one policy counts, another never sees. */
  readonly policy: string
  readonly plugin: GrantUser
  /** Where it may go. */
  readonly origins: readonly Origin[]
  /** Identifier of the request; `undefined` on L4. */
  readonly request?: string | undefined
  /** Aborted when the hook no longer waits for the result. */
  readonly signal: AbortSignal
}

/** The plugin on whose behalf something is done. */
export interface GrantUser {
  readonly name: string
  readonly publisher: string
  /** Identity of its code. */
  readonly hash: string
}

/** An operation: its arguments as text in, its result as text out. */
export type Operation = (args: readonly string[], call: GrantCall) => Promise<readonly string[]> | readonly string[]
