import type { HookName } from '../hooks/points.ts'

/** What a plugin says of itself; read inside an isolate, so every part of it is checked text, never an object of its realm. */
export interface Manifest {
  readonly name: string
  readonly description: string
  /** JSON Schema of the options; `undefined` when it takes none. */
  readonly options: Record<string, unknown> | undefined
  readonly needs: readonly string[]
  readonly hooks: readonly HookName[]
}

/** The fields one policy reads and writes: the plugin's declaration, evaluated with the policy's options. */
export interface Scopes {
  readonly reads: readonly string[]
  readonly writes: readonly string[]
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
}

export interface Limits {
  /** CPU time of one hook call, milliseconds. Default 20. */
  readonly time: number
  /** Heap of the isolate, MB. Default 64. */
  readonly memory: number
}

/** How a call ended. */
export type Verdict =
  /** The operations that the hook asked for, in order: each a list of strings, the first one a code of `wire.op`. */
  | { readonly kind: 'done'; readonly operations: readonly (readonly string[])[] }
  /** It threw, ran out of time or out of memory. */
  | { readonly kind: 'failed'; readonly code: 'PE' | 'PT' | 'PM'; readonly message: string }

/** One hook call of one flow. */
export interface HookCall {
  readonly instance: number
  readonly hook: HookName
  /** `layer UNIT state UNIT field …`, see `wire.ts`. */
  readonly input: string
  settle(verdict: Verdict): void
}

/** Where hook calls go. The only way to run a plugin's code for a flow. */
export interface Sandbox {
  /** Joins the next crossing; `settle` is called later, never before this returns. */
  call(call: HookCall): void
  /** The flow has ended: whatever the call still does is dropped and `settle` is not called any more. */
  cancel(call: HookCall): void
  /** No new calls; those under way settle first. */
  close(): void
}
