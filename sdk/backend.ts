/** One member of an upstream. */
export interface Backend {
  /**
   * Identifier: 16 hexadecimal digits of a SHA-256 over the upstream's name and the address. It is the same on every
   * worker and every host and after every restart, until one of the two changes. It does not reveal the address: sign
   * it, and it can be put into a cookie.
   */
  readonly id: string
  /** `host:port` as written in the configuration. */
  readonly address: string
  /**
   * Relative share of the traffic, 1 to 1,000: the weight that a `checkHealth` hook measured, or else the configured
   * one.
   */
  readonly weight: number
  /** Requests (L7) or connections (L4) in progress on this backend. Counts those of this worker process only. */
  readonly active: number
  /**
   * True while the backend finishes what it has: the configuration says `"state": "drain"`. The balance does not choose
   * it. A `selectBackend` hook may, for sessions that began on it, and should not for anything new.
   */
  readonly draining: boolean
  /** The `labels` of the backend in the configuration, for example its zone. Frozen, with a null prototype. */
  readonly labels: { readonly [name: string]: string }
}
