/** A certificate that the gateway orders and renews by ACME (RFC 8555). */
export interface AcmeConfig {
  /** Identifies the certificate: hash of `directory` and `names`. */
  readonly id: string
  /** Names of hosts in lower case, without wildcards. */
  readonly names: readonly string[]
  /** Address of the account's holder. */
  readonly email: string
  /** Folder for keys and certificates, absolute. */
  readonly storage: string
  /** URL of the CA's directory. */
  readonly directory: string
  /** Certificates of the CAs that `directory` is trusted by, PEM; `undefined`: those of Node. */
  readonly ca?: string
  readonly challenge: 'http-01' | 'tls-alpn-01'
}
