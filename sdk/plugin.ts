import type { FromSchema, JSONSchema } from 'json-schema-to-ts'
import type { GrantName } from './grants.ts'
import type { Hooks } from './hooks.ts'
import type { ReadScope, WriteScope } from './scopes.ts'
import type { When } from './when.ts'

/**
 * The JSON Schema (draft-07) of a plugin's options: an object that names every option, with `description` and `default`,
 * and `additionalProperties: false`, so that a misspelt option is refused when the configuration is loaded.
 */
export interface OptionsSchema {
  readonly type: 'object'
  readonly description?: string
  readonly additionalProperties?: false
  readonly required?: readonly string[]
  readonly properties?: { readonly [name: string]: JSONSchema }
}

/** The TypeScript type of options that the schema accepts, defaults filled in. */
export type Options<O> = O extends JSONSchema ? FromSchema<O> : never

/** What a plugin says of itself, beside its hooks: its name, its options, what it reads, writes and needs. */
export interface Declaration<
  O extends OptionsSchema = OptionsSchema,
  N extends GrantName = GrantName,
  R extends readonly ReadScope[] = readonly ReadScope[],
  W extends readonly WriteScope[] = readonly WriteScope[],
> {
  /** Lower-case letters, digits and dashes; the folder or package is named after it. */
  readonly name: string
  /** One sentence: what it does for whom. */
  readonly description?: string
  /** Schema of the options. Default: no options. */
  readonly options?: O
  /**
   * Fields that its hooks read; see `ReadScope`. A list is checked against the hooks as they are written; a function is
   * evaluated once per policy, when it is loaded. Default: none.
   */
  readonly reads?: R | ((options: Options<O>) => readonly ReadScope[])
  /** Fields that its hooks change; see `WriteScope`. List or function, as `reads`. Default: none. */
  readonly writes?: W | ((options: Options<O>) => readonly WriteScope[])
  /** When its hooks run at all; see `When`. A function is evaluated once per policy, when it is loaded. Default: always. */
  readonly when?: When | ((options: Options<O>) => When)
  /**
   * True when it replies to most requests itself (a mock, a redirect, a cache): the gateway warns when a policy behind it
   * would find out who is calling, too late to matter. Default: false.
   */
  readonly answers?: boolean
  /** Host services that it needs; see `Grants`. */
  readonly needs?: readonly N[]
}

/** A plugin is one object: what it says of itself, and its hooks. */
export interface Plugin<O extends OptionsSchema = OptionsSchema, N extends GrantName = GrantName>
  extends Declaration<O, N>,
    Hooks<Options<O>, N> {}

/** The scopes of a list, all of them for a function, and none when the member `Name` is not among the `Members` written. */
type ScopesOf<List extends readonly string[], Name extends string, Members> = Name extends Members
  ? List[number]
  : never

/** What `definePlugin` takes: `Members` are the names of the members written. */
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
 * The code runs in an isolate without Node, files or network: all of ECMAScript, `Intl` and `Temporal` are there; what
 * the host offers beyond that are `Grants`. A hook call has a time limit (default 20 ms) and the plugin a memory limit
 * (default 64 MB). Variables of the module live as long as the isolate, which may be replaced at any time: use them as
 * a cache, never as a record.
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
