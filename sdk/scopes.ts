/**
 * What a plugin may read. Only declared fields are copied into the plugin's isolate; any other field reads as absent.
 *
 * | scope | layer | value |
 * |---|---|---|
 * | `client.ip` | L4, L7 | address of the client; behind `trustedProxies` the one they vouch for |
 * | `client.port` | L4, L7 | its port; absent when a trusted proxy stands between |
 * | `peer.ip` | L4, L7 | address of the other end of the socket |
 * | `local.port` | L4, L7 | port the connection came in on |
 * | `listener`, `route`, `upstream` | L4, L7 | names from the configuration; `upstream` as chosen so far |
 * | `method`, `scheme`, `host`, `path`, `query` | L7 | parts of the canonical target; `query` without the `?` |
 * | `query:<name>`, `cookie:<name>` | L7 | first value of that parameter (percent-decoded) or cookie (raw) |
 * | `header:<name>` | L7 | request header; lines of the same name joined by `, ` |
 * | `header:*` | L7 | every request header |
 * | `consumer` | L7 | who is calling, as an auth plugin found out |
 * | `request.id` | L7 | the identifier that the access log carries |
 * | `response.status` | L7 | status of the response (`onResponse`, `onClose`) |
 * | `response.header:<name>`, `response.header:*` | L7 | response headers (`onResponse`) |
 * | `backend` | L4, L7 | the backend that was used (`onResponse`, `onClose`) |
 * | `outcome` | L4, L7 | the outcome code, empty when all went well (`onClose`) |
 *
 * Header names are compared without regard to case.
 */
export type ReadScope =
  | 'client.ip'
  | 'client.port'
  | 'peer.ip'
  | 'local.port'
  | 'listener'
  | 'route'
  | 'upstream'
  | 'method'
  | 'scheme'
  | 'host'
  | 'path'
  | 'query'
  | `query:${string}`
  | `cookie:${string}`
  | `header:${string}`
  | 'consumer'
  | 'request.id'
  | 'response.status'
  | `response.header:${string}`
  | 'backend'
  | 'outcome'

/**
 * What a plugin may change. A write outside the declared scopes is refused by the host and logged.
 *
 * | scope | lets the plugin call |
 * |---|---|
 * | `header:<name>`, `header:*` | `request.setHeader`, `request.removeHeader` |
 * | `response.header:<name>`, `response.header:*` | `response.setHeader`, `appendHeader`, `removeHeader` |
 * | `upstream` | `request.useUpstream`, `connection.useUpstream` |
 * | `consumer` | `request.consumer = name` |
 *
 * Framing (`content-length`, `transfer-encoding`), hop-by-hop (`connection`, `keep-alive`, `te`, `trailer`, `upgrade`,
 * `proxy-*` connection fields), pseudo headers and `host` can never be written, declared or not.
 */
export type WriteScope = `header:${string}` | `response.header:${string}` | 'upstream' | 'consumer'
