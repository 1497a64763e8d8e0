/** A request as it was canonicalised once, on arrival. Each field needs the scope of its name. */
export interface Request {
  /** As sent: `GET`, `POST`, … Case matters. Scope `method`. */
  readonly method: string
  /** `http` or `https`, as the client used it. Scope `scheme`. */
  readonly scheme: string
  /** Lower-case host name without port. Scope `host`. */
  readonly host: string
  /** Path, starting with `/`, percent-encoding kept; ambiguous paths never come this far. Scope `path`. */
  readonly path: string
  /** Query without the `?`; empty when there is none. Scope `query`. */
  readonly query: string
  /** The identifier that the access log carries. Scope `request.id`. */
  readonly id: string
  /**
   * Who is calling, as an auth plugin found out. Reading needs the read scope, assigning the write scope `consumer`.
   * Rate limits, logs and later plugins use it.
   */
  consumer: string | undefined
  /** First value of a query parameter, percent-decoded. Scope `query:<name>`, or `query`. */
  parameter(name: string): string | undefined
  /** Value of a cookie, as sent. Scope `cookie:<name>`, or `header:cookie`. */
  cookie(name: string): string | undefined
  /**
   * Value of a header, `undefined` when absent; lines of the same name joined by `, `. The name is not case-sensitive.
   * Scope `header:<name>` or `header:*`.
   */
  header(name: string): string | undefined
  /** Every header as [lower-case name, value], in the order of arrival. Scope `header:*`. */
  headers(): [name: string, value: string][]
  /**
   * Replaces the header sent upstream, or adds it. Write scope `header:<name>`.
   *
   * The host refuses names and values that HTTP does not allow, and framing or hop-by-hop fields: the hook then fails.
   */
  setHeader(name: string, value: string): void
  /** Removes every line of that name from what is sent upstream. Write scope `header:<name>`. */
  removeHeader(name: string): void
  /**
   * Sends the request to another upstream. It is a write, not a verdict: the chain goes on, so that an auth policy after
   * a routing policy always runs; the last one that chooses wins, then the chosen upstream's own policies run. Works in
   * policies of listeners and routes; an upstream's own policy comes too late. Write scope `upstream`.
   *
   * @param name an upstream of the configuration. Give the option that names it `"format": "upstream"`, so that a wrong
   *   name is refused when the configuration is loaded; one computed at run time that does not exist fails the hook.
   */
  useUpstream(name: string): void
  /**
   * A short string that later hooks of the same policy and the same request receive as `state`. At most 4,096
   * characters. Assigning `undefined` clears it. Keep what belongs to one request here, never in a module variable:
   * the isolate may be replaced between two hooks of one request.
   */
  state: string | undefined
}
