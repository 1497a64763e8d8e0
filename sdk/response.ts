import type { Body } from './body.ts'
import type { Readable, ReadableName, View, Writable, WritableName } from './declared.ts'
import type { ReadScope, WriteScope } from './scopes.ts'

/**
 * The head of a final response, before it goes to the client; never of a 1xx. `R` are the scopes that may be read, `W`
 * those that may be written; default: all.
 */
export interface Response<R extends ReadScope = ReadScope, W extends WriteScope = WriteScope> extends View<R | W> {
  /** Three digits. Scope `response.status`. */
  readonly status: Readable<R, 'response.status', number>
  /** Value of a response header, `undefined` when absent. Scope `response.header:<name>` or `response.header:*`. */
  header(name: ReadableName<R, 'response.header'>): string | undefined
  /** Every response header as [lower-case name, value]. Scope `response.header:*`. */
  headers(): Readable<R, 'response.header:*', [name: string, value: string][]>
  /** Replaces the header, or adds it. Write scope `response.header:<name>`. */
  setHeader(name: WritableName<W, 'response.header'>, value: string): void
  /** Adds a line and keeps those of the same name: for `set-cookie`. Write scope `response.header:<name>`. */
  appendHeader(name: WritableName<W, 'response.header'>, value: string): void
  /** Removes every line of that name. Write scope `response.header:<name>`. */
  removeHeader(name: WritableName<W, 'response.header'>): void
  /** What was held of the body; `undefined` without a scope for it, and outside of `onResponse`. See `BodyScope`. */
  readonly body: Body | undefined
  /**
   * Sends another body to the client, with a `content-length` that fits. In `onResponse`, at most 1,048,576 bytes; text
   * is encoded as UTF-8. Write scope `response.body`.
   */
  setBody(body: Writable<W, 'response.body', Uint8Array | string>): void
}
