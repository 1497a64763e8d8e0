/**
 * The methods that are served: those of the IANA registry and the few others that llhttp knows. One outside is answered
 * with 501 (RFC 9110 §9.1), so that no backend is sent what its parser takes for something else.
 */
export const methods: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY'],
  ...['COPY', 'LOCK', 'MKCOL', 'MOVE', 'PROPFIND', 'PROPPATCH', 'SEARCH', 'UNLOCK', 'BIND', 'REBIND', 'UNBIND', 'ACL'],
  ...['REPORT', 'MKACTIVITY', 'CHECKOUT', 'MERGE', 'M-SEARCH', 'NOTIFY', 'SUBSCRIBE', 'UNSUBSCRIBE', 'PURGE'],
  ...['MKCALENDAR', 'LINK', 'UNLINK'],
])

/** Who writes a route for GET expects HEAD to work as well (RFC 9110 §9.1 asks every server for both). */
export function withHead(methods: readonly string[]): readonly string[] {
  return methods.includes('GET') && !methods.includes('HEAD') ? [...methods, 'HEAD'] : methods
}

/** Methods that may be sent again when a kept-alive connection turns out to be dead (RFC 9110 §9.2.2). */
export const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])
