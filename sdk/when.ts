/**
 * The trigger of a policy: its hooks run only for requests, and responses, that match. The gateway evaluates it without a call into the
 * plugin. A request must match every part that is given; within a part one entry is enough. When the trigger does not
 * match, the hook is skipped, and the chain continues.
 *
 * It applies to every hook that has a request: `onRequest`, `onRequestBody`, `onResponse` and `onResponseBody`, and on
 * L7 `selectBackend` and `onClose`. All other hooks, and all hooks on L4, have no request and always run. The trigger
 * is evaluated again for each hook, on the request as earlier policies changed it. So after a skipped `onRequest`,
 * `onResponse` may run because a header was added in between, and vice versa. A hook can tell by `state` whether an
 * earlier one ran. Headers that `onRequest` prepared for the response are applied if `onResponse` would run.
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
}
