/**
 * The trigger of a policy: its hooks run only for requests, responses and connections that match. The gateway evaluates
 * it without a call into the plugin. A request must match every part that is given; within a part one entry is enough.
 * When the trigger does not match, the hook is skipped, and the chain continues.
 *
 * `tls` applies to every hook that has a client, on both layers: to all but `checkHealth`. All other parts apply to the
 * hooks that have a request: `onRequest`, `onRequestBody`, `onResponse` and `onResponseBody`, and on L7 `selectBackend`
 * and `onClose`; the hooks that have none, as all on L4, run whatever these parts say. The trigger is evaluated again for
 * each hook, on the request as earlier policies changed it. So after a skipped `onRequest`, `onResponse` may run because
 * a header was added in between, and vice versa. A hook can tell by `state` whether an earlier one ran. Headers that
 * `onRequest` prepared for the response are applied if `onResponse` would run.
 *
 * The trigger needs no scope in `reads`.
 */
export interface When {
  /** Methods, case-sensitive: `GET`, `POST`, … or any other token. `GET` includes `HEAD`, as in routes. Default: every method. */
  readonly methods?: readonly string[] | undefined
  /**
   * Exact (`/orders`) or prefix (`/orders/*`: `/orders/` and everything below, but not `/orders`). Percent-decoded and
   * case-sensitive, as in routes. Default: every path.
   */
  readonly paths?: readonly string[] | undefined
  /**
   * Names of request headers, not case-sensitive. One of them must be present, even if empty. Default: no header is
   * required.
   */
  readonly headers?: readonly string[] | undefined
  /**
   * Media types of responses: `application/json`, `text/*`, `application/*+json`; not case-sensitive, parameters are
   * ignored. `onResponse` and `onResponseBody` run only for a response whose `content-type` is one of them; nothing of
   * another response is held, and it gets no prepared headers: event streams and images pass as if the policy were not
   * attached. All other hooks run regardless. Default: every response.
   */
  readonly responseTypes?: readonly string[] | undefined
  /**
   * The TLS of the client's connection. A connection without TLS does not match, nor does one without a part that is
   * given here. With anything but `serverName`, `onConnect` runs after the handshake. Default: every connection.
   */
  readonly tls?: TlsTrigger | undefined
}

/** Each list has the values of the scope `tls.<name>` that match. Default: all. */
export interface TlsTrigger {
  /** Exact (`api.example.com`), or all names below one (`*.example.com`). */
  readonly serverName?: readonly string[] | undefined
  readonly version?: readonly ('1.2' | '1.3')[] | undefined
  readonly cipher?: readonly string[] | undefined
  readonly alpn?: readonly string[] | undefined
  /** The client's certificate. Give `verified: true`, unless you are looking for certificates that cannot be believed. */
  readonly client?: TlsClientTrigger | undefined
}

/** Each list has the values of the scope `tls.client.<name>` that match, compared as a whole. Default: all. */
export interface TlsClientTrigger {
  /** `true`: only certificates that are verified; `false`: only others. A connection without a certificate matches neither. */
  readonly verified?: boolean | undefined
  readonly subject?: readonly string[] | undefined
  readonly issuer?: readonly string[] | undefined
  /** Capital or small letters, with or without colons. */
  readonly serial?: readonly string[] | undefined
  /** One of the certificate's names must be among them. */
  readonly san?: readonly string[] | undefined
  /** Capital or small letters, with or without colons. */
  readonly fingerprint?: readonly string[] | undefined
}
