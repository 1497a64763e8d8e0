import type { HookName } from '../../sdk/points.ts'
import type { When } from '../../sdk/when.ts'
import type { Origin } from '../grants/origin.ts'
import type { PluginStats } from './stats.ts'

/**
 * What a plugin declares. It is read inside an isolate, so all of it is checked plain data, never an object of the
 * plugin's realm.
 */
export interface Manifest {
  readonly name: string
  readonly description: string
  /** JSON Schema of the options; `undefined` when the plugin has none. */
  readonly options: Record<string, unknown> | undefined
  readonly needs: readonly string[]
  readonly hooks: readonly HookName[]
  /** The plugin replies to most requests itself: a mock, a redirect, a cache. */
  readonly answers: boolean
}

/**
 * The fields that one policy reads and writes, and when it runs: the plugin's declaration, evaluated for the policy's
 * options.
 */
export interface Scopes {
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  /** `undefined`: always. */
  readonly when?: When
}

/** A plugin, bundled to one script, with its manifest. */
export interface PluginCode {
  readonly name: string
  /** Absolute path of the file it was bundled from. */
  readonly file: string
  /** The publisher decides which plugins share an isolate: `postern`, `local`, `@scope` or a package's name. */
  readonly publisher: string
  /** One script that hands the plugin object to the runtime in the global `__postern`. */
  readonly script: string
  /** Source map of the script, as JSON. */
  readonly map: string
  /** SHA-256 of the script, hexadecimal: the identity of the code. */
  readonly hash: string
  readonly manifest: Manifest
  /** CPU time that starting the module took when it was inspected, ms. Default: unknown. */
  readonly startTime?: number
}

/** A policy as the sandbox sees it: a plugin's code bound to options. */
export interface Instance {
  /** Name of the policy. */
  readonly policy: string
  readonly plugin: PluginCode
  /** Options after defaults, as plain JSON data. */
  readonly options: unknown
  /** Names of the fields that each hook receives, in the order in which they cross. */
  readonly fields: { readonly [hook in HookName]?: readonly string[] }
  readonly limits: Limits
  /** Origins that the plugin's grants may reach. Default: none. */
  readonly fetch?: readonly Origin[]
  /** Trust group. The instances of one group share an isolate, see `groupOf`. */
  readonly group: string
}

/** Limits of one plugin's code; `defaultLimits` has the defaults. */
export interface Limits {
  /** CPU time of one hook call, milliseconds. */
  readonly time: number
  /** Heap of the isolate, MB. */
  readonly memory: number
  /** Total time that a hook may wait for its grants, milliseconds of wall time. */
  readonly wait: number
  /** Grant operations of one hook call. */
  readonly operations: number
}

/** Why a call has failed: `PE` error, `PT` time limit, `PM` memory limit, `PQ` quarantined plugin. */
export type FailureCode = 'PE' | 'PT' | 'PM' | 'PQ'

/** How one step of a call ended. */
export type Verdict =
  /**
   * The operations that the hook asked for, in order. Each is a list of strings; the first one is a code of `wire.op`.
   */
  | { readonly kind: 'done'; readonly operations: readonly (readonly string[])[] }
  | { readonly kind: 'failed'; readonly code: FailureCode; readonly message: string }

/** One policy's turn. */
export interface HookStep {
  /** Index of the instance in `SandboxOptions.instances`. */
  readonly instance: number
  /** `layer UNIT state UNIT field …`, see `wire.ts`. Read when the step begins to cross, those before it being settled. */
  readonly input: string
}

/**
 * Adjacent policies of one trust group that cross together, and take their turns in this order: made when a chain is
 * compiled. They are given one list of fields, in which each finds those that it declares.
 */
export interface Run {
  readonly hook: HookName
  /** How many fields `HookCall.text` has. */
  readonly fields: number
  readonly members: readonly RunMember[]
}

/** One policy of a run. */
export interface RunMember {
  /** Index of the instance in `SandboxOptions.instances`. */
  readonly instance: number
  /** Its declared fields, by their index among those of the run. */
  readonly fields: readonly number[]
  /** The fields that it may write and that a later member reads. */
  readonly written: readonly WrittenField[]
  readonly writes: Writable
}

/** What the flow accepts of a policy in one hook: values that are plain text. It may accept more, and refuses the rest. */
export interface Writable {
  readonly consumer: boolean
  /** Request headers and response headers, in lower case. */
  readonly headers: readonly string[]
  readonly responseHeaders: readonly string[]
}

/** A field that is read behind a write of the same run: the dispatcher takes its value from the writer's record. */
export interface WrittenField {
  /** Its index among the fields of the run. */
  readonly field: number
  /** Name of the request header, in lower case; `undefined`: the field is `consumer`. */
  readonly header: string | undefined
}

/** One hook of one flow: the turn of one policy, or of several that cross together (a run). */
export interface HookCall {
  readonly hook: HookName
  /** Identifier of the request or connection, as the access log carries it. */
  readonly flow: string
  /** At least one, all of the same group. They take their turns in this order. */
  readonly steps: readonly HookStep[]
  /** The run that the steps are. Default: they are none that was compiled. */
  readonly run?: Run | undefined
  /**
   * Input of the run: `flags UNIT field UNIT … state UNIT …`, see `frame.ts`. Needed when there is a run. Read each time
   * that the call crosses as a run, and not kept.
   */
  readonly text?: string
  /** The backend that `checkHealth` is about: the grants of the call may reach it. */
  readonly backend?: Origin | undefined
  /** State of the call while it is under way; for the sandbox only. */
  pending?: object | undefined
  /** Number of the call while it is under way and crosses as a run; for the sandbox only. */
  number?: number
  /**
   * Receives how a step ended; called for one step after the other. Returns whether the next step has its turn: after
   * `false` anything that later steps have done already is dropped.
   */
  settle(step: number, verdict: Verdict): boolean
}

/**
 * State of a plugin's circuit breaker: `closed` lets all calls through, `open` none, `half-open` one at a time, in a
 * crossing of its own.
 */
export type QuarantineState = 'open' | 'half-open' | 'closed'

/** Runs hook calls. The only way to run a plugin's code for a flow. */
export interface Sandbox {
  /** Adds the call to the next crossing. `settle` is called later, never before this returns. */
  call(call: HookCall): void
  /** The flow has ended: anything that the call still does is dropped, and `settle` is not called again. */
  cancel(call: HookCall): void
  /** To be called inside `settle`: the host refused the step's operations, because its policy must not write that. */
  refused(call: HookCall, message: string): void
  /** A policy's trigger did not match, so its turn passed without a call. For the statistics. */
  skipped(instance: number): void
  /** Calls of the plugins with these hashes cross alone; with `on` false they cross together with other calls again. */
  suspect(hashes: readonly string[], on: boolean): void
  /** While a plugin is `open`, its calls fail with `PQ`, which `onFailure` handles like any failure. */
  quarantine(hash: string, state: QuarantineState): void
  /** Counts and times of all plugins since the sandbox was made. */
  stats(): readonly PluginStats[]
  /** Takes no new calls; calls under way settle first. */
  close(): void
}
