/**
 * The alert by which the other side has ended a TLS connection, as OpenSSL names it: `unknown ca`, `certificate required`.
 * `undefined` when the failure is another one.
 */
export function alertOf(cause: Error | undefined): string | undefined {
  // `tlsv1 alert unknown ca`, `tlsv13 alert certificate required`, `ssl/tls alert handshake failure`
  const { reason } = (cause ?? {}) as { readonly reason?: unknown }
  return typeof reason === 'string' ? /^\S+ alert (.+)$/.exec(reason)?.[1] : undefined
}

/**
 * Why a backend has refused a connection on which it has sent nothing yet: in TLS 1.3 it judges the gateway's certificate when
 * the handshake is over on this side, and reads nothing before. `undefined` when the failure is another one.
 */
export function refusalOf(cause: Error | undefined): string | undefined {
  const alert = alertOf(cause)
  return alert && `the backend refused the TLS handshake with the alert "${alert}"`
}
