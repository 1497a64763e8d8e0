import type { FromSchema, JSONSchema } from 'json-schema-to-ts'
import type { GrantName } from './grants.ts'
import type { Hooks } from './hooks.ts'
import type { ReadScope, WriteScope } from './scopes.ts'
import type { When } from './when.ts'

/**
 * The JSON Schema (draft-07) of a plugin's options: an object that names every option, with `description` and
 * `default`, and `additionalProperties: false`, so that a misspelt option is an error when the configuration is loaded.
 */
export interface OptionsSchema {
  readonly type: 'object'
  readonly description?: string
  readonly additionalProperties?: false
  readonly required?: readonly string[]
  readonly properties?: { readonly [name: string]: JSONSchema }
}

/** The TypeScript type of options that fit the schema `O`, defaults filled in. */
export type Options<O> = O extends JSONSchema ? FromSchema<O> : never

/** Everything about a plugin except its hooks: its name, its options, what it reads, writes and needs. */
export interface Declaration<
  O extends OptionsSchema = OptionsSchema,
  N extends GrantName = GrantName,
  R extends readonly ReadScope[] = readonly ReadScope[],
  W extends readonly WriteScope[] = readonly WriteScope[],
> {
  /** Lower-case letters, digits and dashes. The plugin's folder or package has the same name. */
  readonly name: string
  /** One sentence: what the plugin does, and for whom. Default: none. */
  readonly description?: string
  /** Schema of the options. Default: no options. */
  readonly options?: O
  /**
   * Fields that the hooks read; see `ReadScope`. The type checker compares a list with the hooks' code. A function is
   * evaluated once for each policy, when the configuration is loaded. Default: none.
   */
  readonly reads?: R | ((options: Options<O>) => readonly ReadScope[])
  /** Fields that the hooks change; see `WriteScope`. A list or a function, like `reads`. Default: none. */
  readonly writes?: W | ((options: Options<O>) => readonly WriteScope[])
  /**
   * Requests for which the hooks run; see `When`. A function is evaluated like that of `reads`. Default: all requests.
   */
  readonly when?: When | ((options: Options<O>) => When)
  /**
   * True when the plugin itself replies to most requests (a mock, a redirect, a cache). The gateway then warns when a
   * later policy identifies the caller, because the replies would go to every caller. Default: false.
   */
  readonly answers?: boolean
  /** Services of the host that the hooks use; see `Grants`. Default: none. */
  readonly needs?: readonly N[]
}

/** A plugin is one object: its declaration and its hooks. */
export interface Plugin<O extends OptionsSchema = OptionsSchema, N extends GrantName = GrantName>
  extends Declaration<O, N>,
    Hooks<Options<O>, N> {}

/** The scopes of a list; all scopes for a function, and none when the plugin does not have the member `Name`. */
type ScopesOf<List extends readonly string[], Name extends string, Members> = Name extends Members
  ? List[number]
  : never

/** The argument of `definePlugin`: `Members` are the names of all members that the plugin has. */
type Definition<
  O extends OptionsSchema,
  N extends GrantName,
  R extends readonly ReadScope[],
  W extends readonly WriteScope[],
  Members extends string,
> = Declaration<O, N, R, W> &
  Hooks<Options<O>, N, ScopesOf<R, 'reads', Members>, ScopesOf<W, 'writes', Members>> & {
    readonly [Member in Members]: Member extends keyof Plugin ? unknown : NoSuchMember
  }

type NoSuchMember = 'a plugin has no such hook or member; see Hooks and Declaration'

/**
 * Defines a plugin. The module's default export must be the result.
 *
 * ```ts
 * import { definePlugin, reply } from 'postern/sdk'
 *
 * export default definePlugin({
 *   name: 'maintenance',
 *   options: {
 *     type: 'object',
 *     additionalProperties: false,
 *     properties: { title: { type: 'string', default: 'back soon', description: 'What the client is told.' } },
 *   },
 *   onRequest({ options }) {
 *     return reply(503, { title: options.title }, { 'retry-after': '600' })
 *   },
 * })
 * ```
 *
 * The code runs in an isolate without Node, files or network. It can use ECMAScript, `Intl` and `Temporal`, but not
 * `WebAssembly`, `SharedArrayBuffer` and `Atomics`; everything else that the host offers is in `Grants`. A hook call
 * has a time limit (default 20 ms), the isolate a memory limit (default 64 MB). Variables of the module are lost when
 * the isolate is replaced, which may happen at any time: use them only as a cache.
 */
export function definePlugin<
  const O extends OptionsSchema,
  const N extends GrantName = never,
  const R extends readonly ReadScope[] = readonly ReadScope[],
  const W extends readonly WriteScope[] = readonly WriteScope[],
  Members extends string = never,
>(plugin: Definition<O, N, R, W, Members>): Plugin<O, N> {
  return Object.freeze(plugin) as Declaration<O, N, R, W> as Plugin<O, N>
}
