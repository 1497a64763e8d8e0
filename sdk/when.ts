/**
 * When the hooks of a policy run at all: judged by the gateway, without a call into the plugin. Every part that is given
 * must hold; inside a part one entry is enough. A policy whose trigger does not hold counts as having had its turn.
 *
 * It concerns `onRequest`, `onResponse`, and `selectBackend` and `onClose` on L7; `onConnect`, `onDisconnect`,
 * `checkHealth` and L4 connections know no request, so there the hooks always run. Each hook is judged at its own turn, by the request as earlier policies have
 * left it: a policy whose `onRequest` was skipped may find its `onResponse` called when a header came in between, and
 * the other way round. `request.state` tells the later hook whether the earlier one ran.
 *
 * What it looks at needs no scope in `reads`.
 */
export interface When {
  /** `GET`, `POST`, …, in upper case. With `GET`, `HEAD` is meant too, as in routes. Default: every method. */
  readonly methods?: readonly string[] | undefined
  /**
   * Exact (`/orders`) or prefix (`/orders/*`: `/orders/` and all below, not `/orders`), compared percent-decoded and with
   * regard to case, as in routes. Default: every path.
   */
  readonly paths?: readonly string[] | undefined
  /** Request headers, of which at least one must be there, empty or not; without regard to case. Default: none is asked for. */
  readonly headers?: readonly string[] | undefined
}
