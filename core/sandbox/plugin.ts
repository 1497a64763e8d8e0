import type { HookName } from '../../sdk/points.ts'
import type { When } from '../../sdk/when.ts'
import type { Origin } from '../grants/origin.ts'
import type { PluginStats } from './stats.ts'

/** What a plugin says of itself; read inside an isolate, so every part of it is checked text, never an object of its realm. */
export interface Manifest {
  readonly name: string
  readonly description: string
  /** JSON Schema of the options; `undefined` when it takes none. */
  readonly options: Record<string, unknown> | undefined
  readonly needs: readonly string[]
  readonly hooks: readonly HookName[]
  /** It replies to most requests itself: a mock, a redirect, a cache. */
  readonly answers: boolean
}

/** The fields one policy reads and writes, and when it runs: the plugin's declaration, evaluated with the policy's options. */
export interface Scopes {
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  /** `undefined`: always. */
  readonly when?: When
}

/** A plugin, bundled to one script and read. */
export interface PluginCode {
  readonly name: string
  /** Absolute path of the file it was bundled from. */
  readonly file: string
  /** Who it is from, which decides with whom it shares an isolate: `postern`, `local`, `@scope` or a package's name. */
  readonly publisher: string
  /** One script that hands the plugin object to the runtime which stands in the global `__postern`. */
  readonly script: string
  /** Source map of the script, as JSON. */
  readonly map: string
  /** SHA-256 of the script, hexadecimal: the identity of the code. */
  readonly hash: string
  readonly manifest: Manifest
}

/** A policy as the sandbox sees it: a plugin's code bound to options. */
export interface Instance {
  /** Name of the policy. */
  readonly policy: string
  readonly plugin: PluginCode
  /** Options after defaults, as plain JSON data. */
  readonly options: unknown
  /** Names of the fields each of its hooks is given, in the order they cross. */
  readonly fields: { readonly [hook in HookName]?: readonly string[] }
  readonly limits: Limits
  /** Where the grants of its plugin may go. Default: nowhere. */
  readonly fetch?: readonly Origin[]
  /** Trust group: the instances of one group share an isolate, see `groupOf`. */
  readonly group: string
}

/** What the code of one plugin may use up; `defaultLimits` holds the defaults. */
export interface Limits {
  /** CPU time of one hook call, milliseconds. */
  readonly time: number
  /** Heap of the isolate, MB. */
  readonly memory: number
  /** How long a hook may wait for its grants in all, milliseconds of the wall clock. */
  readonly wait: number
  /** Grant operations of one hook call. */
  readonly operations: number
}

/** Why a call has failed: an error, no time or no memory left, or its plugin is quarantined. */
export type FailureCode = 'PE' | 'PT' | 'PM' | 'PQ'

/** How one step of a call ended. */
export type Verdict =
  /** The operations that the hook asked for, in order: each a list of strings, the first one a code of `wire.op`. */
  | { readonly kind: 'done'; readonly operations: readonly (readonly string[])[] }
  | { readonly kind: 'failed'; readonly code: FailureCode; readonly message: string }

/** One policy's turn. */
export interface HookStep {
  /** Index among the sandbox's instances. */
  readonly instance: number
  /** `layer UNIT state UNIT field …`, see `wire.ts`. */
  readonly input: string
}

/** One hook of one flow: a policy's turn, or those of adjacent policies whose order does not show (a segment). */
export interface HookCall {
  readonly hook: HookName
  /** Identifier of the request or connection, as the access log carries it. */
  readonly flow: string
  /** At least one, all in the same group. They take their turns in this order. */
  readonly steps: readonly HookStep[]
  /** The sandbox's own note on a call that is under way; nobody else touches it. */
  pending?: object | undefined
  /**
   * How a step ended; called for one step after the other. The answer says whether the next step has its turn: after
   * `false` nothing counts that the steps behind it may have done already.
   */
  settle(step: number, verdict: Verdict): boolean
}

/**
 * State of a plugin's circuit breaker: `closed` lets all calls through, `open` none, `half-open` one at a time, in a crossing
 * of its own.
 */
export type QuarantineState = 'open' | 'half-open' | 'closed'

/** Where hook calls go. The only way to run a plugin's code for a flow. */
export interface Sandbox {
  /** Joins the next crossing; `settle` is called later, never before this returns. */
  call(call: HookCall): void
  /** The flow has ended: whatever the call still does is dropped and `settle` is not called any more. */
  cancel(call: HookCall): void
  /** Said inside `settle`: the host did not let the step's operations happen, its policy may not write that. */
  refused(call: HookCall, message: string): void
  /** A policy's trigger did not match: its turn came and went without a call. */
  skipped(instance: number): void
  /** Calls of the plugins with these hashes cross alone, or, with `on` false, with the others again. */
  suspect(hashes: readonly string[], on: boolean): void
  /** While a plugin is `open`, its calls fail with `PQ`, which `onFailure` judges like any failure. */
  quarantine(hash: string, state: QuarantineState): void
  /** What the plugins have done and cost since the sandbox was made. */
  stats(): readonly PluginStats[]
  /** No new calls; those under way settle first. */
  close(): void
}
