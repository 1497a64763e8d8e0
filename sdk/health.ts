/** The result of `checkHealth` for a backend. */
export interface Health {
  /** Counts as a good or a bad probe: the upstream's `rise` and `fall` decide what follows from it. */
  readonly healthy: boolean
  /**
   * Share of the traffic that it takes instead of the configured one, on every worker and immediately, until the next probe
   * that returns no weight. A whole number, 1 to 1,000; anything else throws a `RangeError`. Default: as configured.
   */
  readonly weight?: number | undefined
  /** Why, in words for the operator's log, of which 500 characters are kept. Default: the name of the policy. */
  readonly why?: string | undefined
}
