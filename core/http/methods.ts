/** The methods of the IANA registry, and PURGE. Any other token is forwarded too. */
export const registeredMethods: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY', 'ACL'],
  ...['BASELINE-CONTROL', 'BIND', 'CHECKIN', 'CHECKOUT', 'COPY', 'LABEL', 'LINK', 'LOCK', 'MERGE', 'MKACTIVITY'],
  ...['MKCALENDAR', 'MKCOL', 'MKREDIRECTREF', 'MKWORKSPACE', 'MOVE', 'ORDERPATCH', 'PROPFIND', 'PROPPATCH', 'REBIND'],
  ...['REPORT', 'SEARCH', 'UNBIND', 'UNCHECKOUT', 'UNLINK', 'UNLOCK', 'UPDATE', 'UPDATEREDIRECTREF', 'VERSION-CONTROL'],
  'PURGE',
])

/** Adds HEAD to a list with GET: a route for GET also serves HEAD (RFC 9110 §9.1 requires both of every server). */
export function withHead(methods: readonly string[]): readonly string[] {
  return methods.includes('GET') && !methods.includes('HEAD') ? [...methods, 'HEAD'] : methods
}

/**
 * The methods of the IANA registry that are safe or idempotent: they may be sent again when a kept-alive connection turns
 * out to be dead (RFC 9110 §9.2.2). The registry's others are CONNECT, LOCK, PATCH and POST.
 */
export const idempotent: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'REPORT', 'SEARCH', 'PUT', 'DELETE', 'ACL'],
  ...['BASELINE-CONTROL', 'BIND', 'CHECKIN', 'CHECKOUT', 'LABEL', 'LINK', 'MERGE', 'MKACTIVITY', 'MKCALENDAR', 'MKCOL'],
  ...['MKREDIRECTREF', 'MKWORKSPACE', 'ORDERPATCH', 'PROPPATCH', 'REBIND', 'UNBIND', 'UNCHECKOUT', 'UNLINK', 'UNLOCK'],
  ...['UPDATE', 'UPDATEREDIRECTREF', 'VERSION-CONTROL', 'COPY', 'MOVE'],
])
