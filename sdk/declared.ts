import type { ReadScope, WriteScope } from './scopes.ts'

declare const fix: unique symbol

/**
 * Type of a field or argument whose scope the plugin did not declare. No value fits it, and its message says what to
 * add. It appears only where `reads` or `writes` is missing or a list of literals. With a function of the options the
 * type checker allows everything, and only the gateway checks the scopes, at run time.
 */
export interface Undeclared<Fix extends string> {
  readonly [fix]: Fix
}

declare const scopes: unique symbol

/**
 * A member that exists only in the types and is always empty. With it the type checker compares two views by what they
 * let a caller do, not by their scopes alone. So a view with fewer scopes fits a helper that takes
 * `Pick<Request, 'header'>`, and the message for a view that does not fit names the field.
 */
export interface View<Scopes extends string> {
  readonly [scopes]?: { readonly [Scope in Scopes as never]: never } | undefined
}

/** The type `T` of a field if its scope is declared, or else `Undeclared`. */
export type Readable<Declared extends ReadScope, Scope extends ReadScope, T> = [Scope] extends [Declared]
  ? T
  : Undeclared<`add '${Scope}' to reads`>

/**
 * The type `T` of a value to assign, or of an argument of a method that writes, if its scope is declared; else no value
 * fits.
 */
export type Writable<Declared extends WriteScope, Scope extends WriteScope, T> = [Scope] extends [Declared]
  ? T
  : T & Undeclared<`add '${Scope}' to writes`>

type Family = 'query' | 'cookie' | 'header' | 'response.header'

/** The names in scopes like `header:<name>`: any name for `header:*`, and each header's name in its usual spellings. */
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
 * Names that methods like `header(name)` accept. `Whole` are the scopes that cover the whole family. This is a
 * conditional type so that messages show the names and what to add, not the name of this type.
 */
export type ReadableName<Declared extends ReadScope, F extends Family, Whole extends ReadScope = never> = [
  Extract<Declared, Whole>,
] extends [never]
  ? NameIn<Declared, F> | (string & Undeclared<`add '${F}:<name>' to reads`>)
  : string

/**
 * Names that methods like `setHeader(name)` accept. A conditional type whose condition is always true: see
 * `ReadableName`.
 */
export type WritableName<Declared extends WriteScope, F extends 'header' | 'response.header'> = [F] extends [string]
  ? NameIn<Declared, F> | (string & Undeclared<`add '${F}:<name>' to writes`>)
  : never
