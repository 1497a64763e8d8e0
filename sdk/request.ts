import type { Body } from './body.ts'
import type { Readable, ReadableName, View, Writable, WritableName } from './declared.ts'
import type { ReadScope, WriteScope } from './scopes.ts'

/**
 * A request. The gateway canonicalises it once, on arrival. Each field needs its scope in `reads` or `writes`.
 *
 * @typeParam R scopes that may be read. Default: all, for helpers that any plugin can call.
 * @typeParam W scopes that may be written. Default: all.
 */
export interface Request<R extends ReadScope = ReadScope, W extends WriteScope = WriteScope> extends View<R | W> {
  /** Method as sent: `GET`, `POST`, … Case-sensitive. Scope `method`. */
  readonly method: Readable<R, 'method', string>
  /** `http` or `https`, whichever the client used. Scope `scheme`. */
  readonly scheme: Readable<R, 'scheme', string>
  /** Lower-case host name without port; empty when the client named none. Scope `host`. */
  readonly host: Readable<R, 'host', string>
  /**
   * Path, starting with `/`, percent-encoded as sent. Paths that servers read differently (`/a//b`, `/a%2Fb`) are refused
   * before, because the plugin sees one of their interpretations only, unless `pathExceptions` of the route names such
   * spellings. Scope `path`.
   */
  readonly path: Readable<R, 'path', string>
  /** Query without the `?`; empty when the request has no query. Scope `query`. */
  readonly query: Readable<R, 'query', string>
  /** The identifier of the request in the access log. Scope `request.id`. */
  readonly id: Readable<R, 'request.id', string>
  /**
   * The caller, as identified by an auth plugin; `undefined` before that. Later plugins and the access log use it.
   * Reading it needs the read scope `consumer`, assigning it the write scope `consumer`.
   *
   * @throws {RangeError} on assigning a name of more than 256 characters.
   */
  get consumer(): Readable<R, 'consumer', string | undefined>
  set consumer(name: Writable<W, 'consumer', string> | undefined)
  /** First value of a query parameter, percent-decoded; `undefined` when absent. Scope `query:<name>` or `query`. */
  parameter(name: ReadableName<R, 'query', 'query'>): string | undefined
  /** Value of a cookie, as sent; `undefined` when absent. Scope `cookie:<name>`, `header:cookie` or `header:*`. */
  cookie(name: ReadableName<R, 'cookie', 'header:cookie' | 'header:*'>): string | undefined
  /**
   * Value of a header, `undefined` when absent; lines of the same name joined by `, `. The name is not case-sensitive.
   * A value is read as UTF-8, or as ISO-8859-1 where it is not UTF-8 (RFC 9110 §5.5).
   * Scope `header:<name>` or `header:*`.
   */
  header(name: ReadableName<R, 'header'>): string | undefined
  /** Every header as [lower-case name, value], in the order of arrival. Scope `header:*`. */
  headers(): Readable<R, 'header:*', [name: string, value: string][]>
  /**
   * Replaces the header that is sent upstream, or adds it. Write scope `header:<name>`.
   *
   * The hook fails for names and values that HTTP does not allow, and for framing and hop-by-hop fields.
   */
  setHeader(name: WritableName<W, 'header'>, value: string): void
  /** Removes every header line of that name before the request is sent upstream. Write scope `header:<name>`. */
  removeHeader(name: WritableName<W, 'header'>): void
  /**
   * The body, or its first bytes; `undefined` without a scope for it and in all hooks but `onRequest`. See `BodyScope`.
   */
  readonly body: Body | undefined
  /**
   * Replaces the body that is sent upstream and sets its `content-length`; for `onRequest`. At most 1,048,576 bytes;
   * text is encoded as UTF-8. Write scope `body`.
   */
  setBody(body: Writable<W, 'body', Uint8Array | string>): void
  /**
   * Sends the request to another upstream. The chain continues, so an auth policy after a routing policy always runs.
   * The last policy that chooses an upstream wins, and then that upstream's own policies run. Works in policies of
   * listeners and routes; in an upstream's own policy it is too late. Write scope `upstream`.
   *
   * @param name an upstream of the configuration; the hook fails when it does not exist. If the name comes from an
   *   option, give that option `"format": "upstream"`: a wrong name is then an error when the configuration is loaded.
   */
  useUpstream(name: Writable<W, 'upstream', string>): void
  /**
   * Text that later hooks of the same policy and the same request receive as `state`, at most 4,096 characters.
   * Default: `undefined`, which also clears it. Keep the data of a request here, never in a variable of the module: the
   * isolate may be replaced between two hooks of one request.
   */
  state: string | undefined
}
