import type { Body } from './body.ts'
import type { Readable, ReadableName, View, Writable, WritableName } from './declared.ts'
import type { ReadScope, WriteScope } from './scopes.ts'

/**
 * The head of a final response (never of a 1xx), before it is sent to the client.
 *
 * @typeParam R scopes that may be read. Default: all.
 * @typeParam W scopes that may be written. Default: all.
 */
export interface Response<R extends ReadScope = ReadScope, W extends WriteScope = WriteScope> extends View<R | W> {
  /** Status code, three digits. Scope `response.status`. */
  readonly status: Readable<R, 'response.status', number>
  /**
   * Status of a gRPC call that failed at once: its head says so, and no message follows. `undefined` where the trailers
   * are going to say it, and for other responses. Scope `grpc.status`.
   */
  readonly grpcStatus: Readable<R, 'grpc.status', number | undefined>
  /**
   * Value of a response header, `undefined` when absent; lines of the same name joined by `, `. The name is not
   * case-sensitive. Scope `response.header:<name>` or `response.header:*`.
   */
  header(name: ReadableName<R, 'response.header'>): string | undefined
  /** Every response header as [lower-case name, value]. Scope `response.header:*`. */
  headers(): Readable<R, 'response.header:*', [name: string, value: string][]>
  /** Replaces the header, or adds it. Write scope `response.header:<name>`. */
  setHeader(name: WritableName<W, 'response.header'>, value: string): void
  /**
   * Adds a header line and keeps all others of that name, as `set-cookie` needs it. Write scope
   * `response.header:<name>`.
   */
  appendHeader(name: WritableName<W, 'response.header'>, value: string): void
  /** Removes every header line of that name. Write scope `response.header:<name>`. */
  removeHeader(name: WritableName<W, 'response.header'>): void
  /**
   * The body, or its first bytes; `undefined` without a scope for it and in all hooks but `onResponse`. See
   * `BodyScope`.
   */
  readonly body: Body | undefined
  /**
   * Replaces the body that is sent to the client and sets its `content-length`; for `onResponse`. At most 1,048,576
   * bytes; text is encoded as UTF-8. Write scope `response.body`.
   */
  setBody(body: Writable<W, 'response.body', Uint8Array | string>): void
}

/**
 * What `onRequest` can do with the response, which is still to come: prepare headers of it. See `RequestContext`.
 *
 * @typeParam W scopes that may be written. Default: all.
 */
export type PreparedResponse<W extends WriteScope = WriteScope> = Pick<
  Response<never, W>,
  'setHeader' | 'appendHeader' | 'removeHeader'
>
