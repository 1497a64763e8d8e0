import type { ManagedCertificate } from './managed-certificate.ts'

/** A certificate of a listener with its key, as the check has judged them. Plain data. */
export interface ServerCertificate {
  /** A hash of all it consists of: certificates with the same one are the same, through reloads too. */
  readonly id: string
  /** In lower case. `*.example.com` stands for one label. */
  readonly names: readonly string[]
  /** Kind of its key, such as `EC`. A name has at most one certificate of each kind. */
  readonly kind: string
  /** PEM: the certificate, then those that issued it, one after the other. */
  readonly cert: string
  /** PEM, not encrypted. */
  readonly key: string
  /** Tells clients that ask for it that the certificate has not been revoked. */
  readonly staple?: Staple
}

/** An OCSP response (RFC 6960). */
export interface Staple {
  /** DER, in base64. */
  readonly response: string
  /** It holds until then, by `Date.now`. */
  readonly until: number
}

/** Which certificates clients show. */
export interface ClientCertificateConfig {
  /** `require` refuses clients without a certificate that is verified. */
  readonly mode: 'request' | 'require'
  /** PEM: the authorities whose certificates are accepted. */
  readonly ca: string
  /** PEM, one list each: what they have revoked. */
  readonly crl: readonly string[]
  /** Most certificates between that of a client and an authority. */
  readonly depth?: number
  /** Whether backends get them (RFC 9440). L7 only. */
  readonly forward: boolean
}

/** How a listener speaks TLS. */
export interface ServerTlsConfig {
  /** The first one is for clients that name no server, or one that no certificate is for. */
  readonly certificates: readonly (ServerCertificate | ManagedCertificate)[]
  readonly minVersion: '1.2' | '1.3'
  /** As OpenSSL writes them. */
  readonly ciphers?: string
  readonly groups?: string
  /** Whether clients may resume their sessions. */
  readonly tickets: boolean
  /** Whether a handshake for a name without a certificate is refused. */
  readonly strict: boolean
  /** Without it clients are not asked for certificates. */
  readonly clientCertificate?: ClientCertificateConfig
  /** How clients ask for TLS; `undefined`: they begin with it. L4 only. */
  readonly starttls?: 'postgres'
  /** Whether clients that do not ask for it are served in clear. With `starttls` only. */
  readonly plain?: boolean
}
