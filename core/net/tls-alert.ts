/**
 * Name of the alert by which the other side has ended a TLS connection (RFC 8446 §6): `unknown_ca`, `certificate_required`.
 * `undefined` when the failure is another one.
 */
export function receivedAlert(cause: Error | undefined): string | undefined {
  const { code = '' } = (cause ?? {}) as { readonly code?: string }
  // `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`, `ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_UNKNOWN`, `ERR_SSL_TLSV1_UNRECOGNIZED_NAME`
  const found = /^ERR_SSL_(?:(?:SSLV3|SSL\/TLS|TLSV13|TLSV1)_ALERT|TLSV1)_(.+)$/.exec(code)?.[1]
  return found?.toLowerCase()
}

/**
 * Why a backend has refused a connection on which it has sent nothing yet: in TLS 1.3 it judges the gateway's certificate when
 * the handshake is over on this side, and reads nothing before. `undefined` when the failure is another one.
 */
export function refusalOf(cause: Error | undefined): string | undefined {
  const alert = receivedAlert(cause)
  return alert && `the backend refused the TLS handshake with the alert "${inWords(alert)}"`
}

/** The name of an alert as messages have it. */
export function inWords(alert: string): string {
  return alert.replaceAll('_', ' ')
}
