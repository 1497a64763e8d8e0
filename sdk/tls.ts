import type { Readable, View } from './declared.ts'
import type { ReadScope } from './scopes.ts'

/**
 * The TLS of the client's connection, on both layers. All of it is `undefined` on a listener without TLS, except that a tcp
 * listener whose routes match `serverName` or `alpn` knows `serverName` and `offered` of the TLS that it passes on. Behind a
 * proxy that terminates TLS, it is that of the connection between the two.
 *
 * `onConnect` of a policy that reads only `serverName` and `offered`, and of those before the first one that reads more, runs before the
 * handshake: a refusal then costs the gateway no cryptography, and the client gets the alert `access_denied`.
 *
 * @typeParam R scopes that may be read. Default: all.
 */
export interface Tls<R extends ReadScope = ReadScope> extends View<R> {
  /**
   * The name that the client asked for (SNI), in lower case; `undefined` when it asked for none. It may differ from
   * `request.host`: where the listener asks for client certificates, such a request is refused (421). Scope
   * `tls.serverName`.
   */
  readonly serverName: Readable<R, 'tls.serverName', string | undefined>
  /** The protocols that the client offered (ALPN), in its order: `['h2', 'http/1.1']`. Scope `tls.offered`. */
  readonly offered: Readable<R, 'tls.offered', readonly string[] | undefined>
  /** `1.2` or `1.3`. Scope `tls.version`. */
  readonly version: Readable<R, 'tls.version', string | undefined>
  /** As OpenSSL names it: `TLS_AES_128_GCM_SHA256`. Scope `tls.cipher`. */
  readonly cipher: Readable<R, 'tls.cipher', string | undefined>
  /** The protocol that was agreed on, `http/1.1`; `undefined` when the client offered none. Scope `tls.alpn`. */
  readonly alpn: Readable<R, 'tls.alpn', string | undefined>
  /** The client's certificate. */
  readonly client: TlsClient<R>
}

/**
 * The certificate of the client. All of it is `undefined` when the listener did not ask for one, or the client sent none.
 * A client can make a certificate with any names in it: before you believe one of them, look at `verified`.
 *
 * @typeParam R scopes that may be read. Default: all.
 */
export interface TlsClient<R extends ReadScope = ReadScope> extends View<R> {
  /** Whether it leads to one of the listener's authorities, is valid, and is not revoked. Scope `tls.client.verified`. */
  readonly verified: Readable<R, 'tls.client.verified', boolean | undefined>
  /**
   * As RFC 4514 writes names: `CN=alice,OU=dev,O=Example`; a comma, a quote or a control character in a value is
   * escaped. Empty when it has none. Scope `tls.client.subject`.
   */
  readonly subject: Readable<R, 'tls.client.subject', string | undefined>
  /** Name of the authority that signed it, in the form of `subject`. Scope `tls.client.issuer`. */
  readonly issuer: Readable<R, 'tls.client.issuer', string | undefined>
  /** In hexadecimal, capital letters, two for each byte. Scope `tls.client.serial`. */
  readonly serial: Readable<R, 'tls.client.serial', string | undefined>
  /**
   * Its alternative names, each with its kind: `DNS:a.example`, `URI:spiffe://example/a`, `email:a@b.example`,
   * `IP:192.0.2.1`. Empty when it has none. Scope `tls.client.san`.
   */
  readonly san: Readable<R, 'tls.client.san', readonly string[] | undefined>
  /** SHA-256 of the certificate: 64 hexadecimal digits in small letters. Scope `tls.client.fingerprint`. */
  readonly fingerprint: Readable<R, 'tls.client.fingerprint', string | undefined>
}
