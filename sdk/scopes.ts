/**
 * What a plugin may read. Only declared fields are copied into the plugin's isolate; any other field reads as `undefined`.
 * Where `reads` is a list of literals the type checker refuses such a read; otherwise the log says it, once for each field
 * (not in production: `POSTERN_ENV`, or else `NODE_ENV`, is `production`).
 *
 * | scope | layer | value |
 * |---|---|---|
 * | `client.ip` | L4, L7 | address of the client; behind `trustedProxies` the one that they report |
 * | `client.port` | L4, L7 | its port; absent behind a trusted proxy |
 * | `peer.ip` | L4, L7 | address of the other end of the socket |
 * | `local.port` | L4, L7 | port the connection came in on |
 * | `listener`, `route`, `upstream` | L4, L7 | names from the configuration; `upstream` as chosen so far |
 * | `method`, `scheme`, `host`, `path`, `query` | L7 | parts of the canonical target; `query` without the `?` |
 * | `query:<name>`, `cookie:<name>` | L7 | first value of that parameter (percent-decoded) or cookie (raw) |
 * | `header:<name>` | L7 | request header; lines of the same name joined by `, ` |
 * | `header:*` | L7 | every request header |
 * | `consumer` | L7 | the caller, as identified by an auth plugin |
 * | `request.id` | L7 | the identifier that the access log carries |
 * | `response.status` | L7 | status of the response (`onResponse`, `onClose`) |
 * | `response.header:<name>`, `response.header:*` | L7 | response headers (`onResponse`) |
 * | `backend` | L4, L7 | the backend that was used (`onResponse`, `onClose`) |
 * | `outcome` | L4, L7 | the outcome code, empty for success (`onClose`) |
 *
 * Header names are case-insensitive. The scopes also determine the order of policies: `postern check`
 * warns when a policy reads what a later one writes, and when two write the same.
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
  | BodyScope
  | 'request.id'
  | 'response.status'
  | `response.header:${string}`
  | 'backend'
  | 'outcome'

/**
 * How much of a body is held until the plugin has seen it, 1 to 1,048,576 bytes. Without it no part of a body is available.
 *
 * | scope | the hook gets | the message |
 * |---|---|---|
 * | `body:prefix:<n>`, `response.body:prefix:<n>` | the first n bytes, or all of a shorter body | waits for them |
 * | `body:buffer:<n>`, `response.body:buffer:<n>` | the whole body | waits for it; with more than n bytes it is refused, outcome `BL` |
 *
 * The body of the request is there in `onRequest`, that of the response in `onResponse`. To see a body pass chunk by
 * chunk, however long it is, have `onRequestBody` or `onResponseBody` instead: they need no scope.
 */
export type BodyScope = `body:${'prefix' | 'buffer'}:${number}` | `response.body:${'prefix' | 'buffer'}:${number}`

/**
 * What a plugin may change. A write outside the declared scopes is refused by the host: the hook fails, none of its writes
 * is applied, and the refusal is logged and counted.
 *
 * | scope | lets the plugin call |
 * |---|---|
 * | `header:<name>`, `header:*` | `request.setHeader`, `request.removeHeader` |
 * | `response.header:<name>`, `response.header:*` | `response.setHeader`, `appendHeader`, `removeHeader` |
 * | `upstream` | `request.useUpstream`, `connection.useUpstream` |
 * | `consumer` | `request.consumer = name` |
 * | `body`, `response.body` | `request.setBody`, `response.setBody`; and return a chunk from `onRequestBody`, `onResponseBody` |
 *
 * Framing (`content-length`, `transfer-encoding`), hop-by-hop (`connection`, `keep-alive`, `te`, `trailer`, `upgrade`,
 * `proxy-*` connection fields), pseudo headers and `host` can never be written, declared or not. A value holds up to
 * 8,192 bytes and no CR, LF or NUL; all headers that one hook writes, 65,536 bytes.
 */
export type WriteScope =
  | `header:${string}`
  | `response.header:${string}`
  | 'upstream'
  | 'consumer'
  | 'body'
  | 'response.body'
