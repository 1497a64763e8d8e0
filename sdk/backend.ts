/** One member of an upstream. */
export interface Backend {
  /**
   * Stable identifier, the same on every worker, host and restart as long as the upstream's name and the address stay:
   * 16 hexadecimal digits of a SHA-256. Fit for a cookie once it is signed; it does not show the address.
   */
  readonly id: string
  /** `host:port` as written in the configuration. */
  readonly address: string
  /** Relative share of the traffic, 1 to 1,000: as configured, or as a `checkHealth` hook measured it. */
  readonly weight: number
  /** Requests (L7) or connections (L4) under way on it, as this worker counts them. */
  readonly active: number
}
