/**
 * Fields that a plugin may read. Only declared fields are copied into the plugin's isolate; any other field reads as
 * `undefined`. Where `reads` is a list of literals, the type checker rejects a read of an undeclared field. Such reads
 * are also logged, once for each field, except in production (`POSTERN_ENV`, or else `NODE_ENV`, is `production`).
 *
 * | scope | layer | value |
 * |---|---|---|
 * | `client.ip` | L4, L7 | address of the client; behind `proxyProtocol` and `trustedProxies`, the one that these report |
 * | `client.port` | L4, L7 | its port; absent behind a trusted proxy |
 * | `peer.ip` | L4, L7 | address of the other end of the socket |
 * | `local.port` | L4, L7 | port on which the gateway accepted the connection |
 * | `tls.serverName` | L4, L7 | the name that the client asked for in its TLS handshake |
 * | `tls.offered` | L4, L7 | the protocols that the client offered in it (ALPN) |
 * | `tls.version`, `tls.cipher`, `tls.alpn` | L4, L7 | what the handshake agreed on; `onConnect` runs after it |
 * | `tls.client.subject`, `.issuer`, `.serial`, `.san`, `.fingerprint` | L4, L7 | of the client's certificate |
 * | `tls.client.verified` | L4, L7 | whether the client's certificate is to be believed |
 * | `listener`, `route`, `upstream` | L4, L7 | names from the configuration; `upstream` as chosen so far |
 * | `method`, `scheme`, `host`, `path`, `query` | L7 | parts of the canonical target; `query` without the `?` |
 * | `query:<name>`, `cookie:<name>` | L7 | first value of that parameter (percent-decoded) or cookie (raw) |
 * | `header:<name>` | L7 | request header; lines of the same name joined by `, ` |
 * | `header:*` | L7 | every request header |
 * | `consumer` | L7 | the caller, as identified by an auth plugin |
 * | `request.id` | L7 | the identifier of the request in the access log |
 * | `response.status` | L7 | status of the response (`onResponse`, `onResponseBody`, `onClose`) |
 * | `grpc.status` | L7 | `grpc-status` of a gRPC call: of the head in `onResponse`, also of the trailers in `onClose` |
 * | `response.header:<name>`, `response.header:*` | L7 | response headers (`onResponse`, `onResponseBody`) |
 * | `backend` | L4, L7 | the backend that was used (`onResponse`, `onClose`) |
 * | `traffic` | L4 | bytes and datagrams of the connection or session in both directions (`onClose`) |
 * | `outcome` | L4, L7 | the outcome code, empty for success (`onClose`) |
 *
 * Header names are not case-sensitive. `postern check` uses the scopes to check the order of policies: it warns when a
 * policy reads what a later one writes, and when two write the same field.
 */
export type ReadScope =
  | 'client.ip'
  | 'client.port'
  | 'peer.ip'
  | 'local.port'
  | 'tls.serverName'
  | 'tls.offered'
  | 'tls.version'
  | 'tls.cipher'
  | 'tls.alpn'
  | 'tls.client.subject'
  | 'tls.client.issuer'
  | 'tls.client.serial'
  | 'tls.client.san'
  | 'tls.client.fingerprint'
  | 'tls.client.verified'
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
  | 'grpc.status'
  | `response.header:${string}`
  | 'backend'
  | 'traffic'
  | 'outcome'

/**
 * How much of a body a hook receives, 1 to 1,048,576 bytes. Without such a scope it receives none of it.
 *
 * | scope | the hook gets | the message |
 * |---|---|---|
 * | `body:prefix:<n>`, `response.body:prefix:<n>` | the first n bytes, or all of a shorter body | waits for them |
 * | `body:buffer:<n>`, `response.body:buffer:<n>` | the whole body | waits for it; with more than n bytes it is refused, outcome `BL` |
 * | `body:optional:<n>`, `response.body:optional:<n>` | the whole body, or `undefined` when it has more than n bytes | waits for it; with more than n bytes it passes unchanged |
 *
 * The body of the request is available in `onRequest`, that of the response in `onResponse`. A body whose
 * `content-length` is too large is not waited for. Limit a policy to the kinds of responses that it is made for by
 * `when.responseTypes`: event streams never end. To read a body of any
 * length chunk by chunk, use `onRequestBody` or `onResponseBody` instead: they need no scope.
 */
export type BodyScope =
  | `body:${'prefix' | 'buffer' | 'optional'}:${number}`
  | `response.body:${'prefix' | 'buffer' | 'optional'}:${number}`

/**
 * Fields that a plugin may change. The host refuses any other write: the hook fails, none of its writes is applied, and
 * the refusal is logged and counted.
 *
 * | scope | lets the plugin call |
 * |---|---|
 * | `header:<name>`, `header:*` | `request.setHeader`, `request.removeHeader` |
 * | `response.header:<name>`, `response.header:*` | `response.setHeader`, `appendHeader`, `removeHeader` (`onResponse`, `onRequest`) |
 * | `upstream` | `request.useUpstream`, `connection.useUpstream` |
 * | `consumer` | `request.consumer = name` |
 * | `body`, `response.body` | `request.setBody`, `response.setBody`; and return a chunk from `onRequestBody`, `onResponseBody` |
 *
 * Framing (`content-length`, `transfer-encoding`), hop-by-hop (`connection`, `keep-alive`, `te`, `trailer`, `upgrade`,
 * `proxy-*` connection fields), pseudo headers and `host` can never be written, declared or not. A value has at most
 * 8,192 bytes and no control character but the tab, and is sent in UTF-8. All headers that one hook writes have at most
 * 65,536 bytes together.
 */
export type WriteScope =
  | `header:${string}`
  | `response.header:${string}`
  | 'upstream'
  | 'consumer'
  | 'body'
  | 'response.body'
