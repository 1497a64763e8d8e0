import type { ReadScope, WriteScope } from './scopes.ts'

declare const fix: unique symbol

/**
 * Type of what a plugin did not declare; its message says what to add. Nothing accepts it. It shows up only where
 * `reads` or `writes` is a list of literals, or missing; with a function of the options everything is allowed to the
 * type checker, and the gateway alone decides.
 */
export interface Undeclared<Fix extends string> {
  readonly [fix]: Fix
}

declare const scopes: unique symbol

/**
 * Never there, and empty when it is looked at. Without it the type checker compares two views by their scopes alone; with
 * it by what they let a caller do, so that a view with less declared fits a helper that takes `Pick<Request, 'header'>`,
 * and the message for one that does not fit names the field.
 */
export interface View<Scopes extends string> {
  readonly [scopes]?: { readonly [Scope in Scopes as never]: never } | undefined
}

/** A field's type `T`, when its scope is among those declared. */
export type Readable<Declared extends ReadScope, Scope extends ReadScope, T> = [Scope] extends [Declared]
  ? T
  : Undeclared<`add '${Scope}' to reads`>

/** What may be assigned to a field, or handed to what changes it, when its scope is among those declared. */
export type Writable<Declared extends WriteScope, Scope extends WriteScope, T> = [Scope] extends [Declared]
  ? T
  : T & Undeclared<`add '${Scope}' to writes`>

type Family = 'query' | 'cookie' | 'header' | 'response.header'

/** The names behind `header:` and the like: every one for `header:*`; of headers in any of the usual spellings. */
type NameIn<Scope, F extends Family> = Scope extends `${F}:${infer Name}`
  ? Name extends '*'
    ? string
    : F extends 'query' | 'cookie'
      ? Name
      : Name | Lowercase<Name> | Title<Lowercase<Name>>
  : never

/** `x-api-key` → `X-Api-Key`. */
type Title<Name extends string> = Name extends `${infer Word}-${infer Rest}`
  ? `${Capitalize<Word>}-${Title<Rest>}`
  : Capitalize<Name>

/**
 * Names that `header(name)` and the like may ask for. `Whole` are scopes that hold all of the family. A conditional type,
 * always true, so that messages show the names and what to add, not the name of this type.
 */
export type ReadableName<Declared extends ReadScope, F extends Family, Whole extends ReadScope = never> = [
  Extract<Declared, Whole>,
] extends [never]
  ? NameIn<Declared, F> | (string & Undeclared<`add '${F}:<name>' to reads`>)
  : string

/** Names that `setHeader(name)` and the like may change. */
export type WritableName<Declared extends WriteScope, F extends 'header' | 'response.header'> = [F] extends [string]
  ? NameIn<Declared, F> | (string & Undeclared<`add '${F}:<name>' to writes`>)
  : never
