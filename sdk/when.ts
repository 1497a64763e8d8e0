/**
 * When the hooks of a policy run at all: evaluated by the gateway, without a call into the plugin. Every given part must
 * match; within a part one entry is enough. A policy whose trigger does not match counts as having run.
 *
 * It concerns `onRequest`, `onResponse`, and `selectBackend` and `onClose` on L7; `onConnect`, `onDisconnect`,
 * `checkHealth` and L4 connections have no request, so these hooks always run. The trigger is evaluated for each hook, on
 * the request as changed by earlier policies: a policy whose `onRequest` was skipped may have its `onResponse` called when
 * a header was added in between, and vice versa. `request.state` tells the later hook whether the earlier one ran.
 *
 * The trigger needs no scope in `reads`.
 */
export interface When {
  /** `GET`, `POST`, …, in upper case. With `GET`, `HEAD` is meant too, as in routes. Default: every method. */
  readonly methods?: readonly string[] | undefined
  /**
   * Exact (`/orders`) or prefix (`/orders/*`: `/orders/` and all below, not `/orders`), compared percent-decoded and with
   * regard to case, as in routes. Default: every path.
   */
  readonly paths?: readonly string[] | undefined
  /** Request headers, of which at least one must be present, empty or not; case-insensitive. Default: no header is required. */
  readonly headers?: readonly string[] | undefined
}
