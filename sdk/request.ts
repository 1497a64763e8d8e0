import type { Body } from './body.ts'
import type { Readable, ReadableName, View, Writable, WritableName } from './declared.ts'
import type { ReadScope, WriteScope } from './scopes.ts'

/**
 * A request as it was canonicalised once, on arrival. Each field needs the scope of its name.
 *
 * @typeParam R scopes that may be read, `W` those that may be written. Default: all, which is the type for a helper that
 *   is called by plugins of any kind.
 */
export interface Request<R extends ReadScope = ReadScope, W extends WriteScope = WriteScope> extends View<R | W> {
  /** As sent: `GET`, `POST`, … Case matters. Scope `method`. */
  readonly method: Readable<R, 'method', string>
  /** `http` or `https`, as the client used it. Scope `scheme`. */
  readonly scheme: Readable<R, 'scheme', string>
  /** Lower-case host name without port. Scope `host`. */
  readonly host: Readable<R, 'host', string>
  /** Path, starting with `/`, percent-encoding kept; ambiguous paths never come this far. Scope `path`. */
  readonly path: Readable<R, 'path', string>
  /** Query without the `?`; empty when the request has no query. Scope `query`. */
  readonly query: Readable<R, 'query', string>
  /** The identifier that the access log carries. Scope `request.id`. */
  readonly id: Readable<R, 'request.id', string>
  /**
   * The caller, as identified by an auth plugin. Reading needs the read scope, assigning the write scope `consumer`.
   * Rate limits, logs and later plugins use it.
   */
  get consumer(): Readable<R, 'consumer', string | undefined>
  set consumer(name: Writable<W, 'consumer', string> | undefined)
  /** First value of a query parameter, percent-decoded. Scope `query:<name>`, or `query`. */
  parameter(name: ReadableName<R, 'query', 'query'>): string | undefined
  /** Value of a cookie, as sent. Scope `cookie:<name>`, or `header:cookie`. */
  cookie(name: ReadableName<R, 'cookie', 'header:cookie' | 'header:*'>): string | undefined
  /**
   * Value of a header, `undefined` when absent; lines of the same name joined by `, `. The name is not case-sensitive.
   * Scope `header:<name>` or `header:*`.
   */
  header(name: ReadableName<R, 'header'>): string | undefined
  /** Every header as [lower-case name, value], in the order of arrival. Scope `header:*`. */
  headers(): Readable<R, 'header:*', [name: string, value: string][]>
  /**
   * Replaces the header sent upstream, or adds it. Write scope `header:<name>`.
   *
   * The host refuses names and values that HTTP does not allow, and framing or hop-by-hop fields: the hook then fails.
   */
  setHeader(name: WritableName<W, 'header'>, value: string): void
  /** Removes every line of that name from what is sent upstream. Write scope `header:<name>`. */
  removeHeader(name: WritableName<W, 'header'>): void
  /** What was held of the body; `undefined` without a scope for it, and outside of `onRequest`. See `BodyScope`. */
  readonly body: Body | undefined
  /**
   * Sends another body upstream, with a `content-length` that fits. In `onRequest`, at most 1,048,576 bytes; text is
   * encoded as UTF-8. Write scope `body`.
   */
  setBody(body: Writable<W, 'body', Uint8Array | string>): void
  /**
   * Sends the request to another upstream. It is a write and does not end the chain: an auth policy after a routing
   * policy always runs. The last policy that chooses wins, then the chosen upstream's own policies run. Works in
   * policies of listeners and routes; in an upstream's own policy it is too late. Write scope `upstream`.
   *
   * @param name an upstream of the configuration. Give the option that names it `"format": "upstream"`, so that a wrong
   *   name is refused when the configuration is loaded; one computed at run time that does not exist fails the hook.
   */
  useUpstream(name: Writable<W, 'upstream', string>): void
  /**
   * A short string that later hooks of the same policy and the same request receive as `state`. At most 4,096
   * characters. Assigning `undefined` clears it. Keep what belongs to one request here, never in a module variable:
   * the isolate may be replaced between two hooks of one request.
   */
  state: string | undefined
}
