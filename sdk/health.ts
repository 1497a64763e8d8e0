/** The result of `checkHealth` for a backend. */
export interface Health {
  /**
   * Counts like a probe that succeeded or failed: after `rise` or `fall` of them in a row the backend's health changes.
   */
  readonly healthy: boolean
  /**
   * Relative share of the traffic, used instead of the configured weight. It applies on every worker immediately, until
   * a later check of this backend gives no weight. A whole number, 1 to 1,000; anything else throws a `RangeError`.
   * Default: the configured weight.
   */
  readonly weight?: number | undefined
  /** Reason for the log, at most 500 characters; the rest is cut off. Default: the name of the policy. */
  readonly why?: string | undefined
}
