import type { FromSchema, JSONSchema } from 'json-schema-to-ts'
import type { GrantName } from './grants.ts'
import type { Hooks } from './hooks.ts'
import type { ReadScope, WriteScope } from './scopes.ts'

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

/** A plugin is one object: its name, its options, what it reads, writes and needs, and its hooks. */
export interface Plugin<O extends OptionsSchema = OptionsSchema, N extends GrantName = GrantName>
  extends Hooks<Options<O>, N> {
  /** Lower-case letters, digits and dashes; the folder or package is named after it. */
  readonly name: string
  /** One sentence: what it does for whom. */
  readonly description?: string
  /** Schema of the options. Default: no options. */
  readonly options?: O
  /** Fields that its hooks read; see `ReadScope`. A function is evaluated once per policy, when it is loaded. */
  readonly reads?: readonly ReadScope[] | ((options: Options<O>) => readonly ReadScope[])
  /** Fields that its hooks change; see `WriteScope`. A function is evaluated once per policy, when it is loaded. */
  readonly writes?: readonly WriteScope[] | ((options: Options<O>) => readonly WriteScope[])
  /** Host services that it needs; see `Grants`. */
  readonly needs?: readonly N[]
}

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
export function definePlugin<const O extends OptionsSchema, const N extends GrantName = never>(
  plugin: Plugin<O, N>,
): Plugin<O, N> {
  return Object.freeze(plugin)
}
