/** A certificate of a listener that comes, and is renewed, while the gateway runs. */
export interface ManagedCertificate {
  /** Identifies it among those that are issued. */
  readonly managed: string
  /** In lower case, without wildcards. */
  readonly names: readonly string[]
}

/** A certificate with its key, PEM. */
export interface KeyPair {
  /** The certificate, then those that issued it. */
  readonly cert: string
  readonly key: string
}

/** What has been issued so far. */
export interface IssuedCertificates {
  /** @returns the same object until there is a newer one; `undefined`: none has been issued yet */
  certificate(managed: string): KeyPair | undefined
  /** What proves to a CA that a name leads here (RFC 8737); `undefined`: no CA asks now. */
  proof(serverName: string): KeyPair | undefined
}
