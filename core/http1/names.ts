/** Common field names, in lower case. */
const known = [
  ...['accept', 'accept-charset', 'accept-encoding', 'accept-language', 'accept-ranges', 'age', 'allow', 'alt-svc'],
  ...['access-control-allow-credentials', 'access-control-allow-headers', 'access-control-allow-methods'],
  ...['access-control-allow-origin', 'access-control-expose-headers', 'access-control-max-age'],
  ...['access-control-request-headers', 'access-control-request-method', 'authorization', 'baggage', 'cache-control'],
  ...['connection', 'content-disposition', 'content-encoding', 'content-language', 'content-length', 'content-range'],
  ...['content-location', 'content-security-policy', 'content-type', 'cookie', 'date', 'dnt', 'etag', 'expect'],
  ...['expires', 'forwarded', 'from', 'host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range'],
  ...['if-unmodified-since', 'keep-alive', 'last-modified', 'link', 'location', 'max-forwards', 'origin', 'pragma'],
  ...['permissions-policy', 'priority', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'range'],
  ...['referer', 'referrer-policy', 'retry-after', 'sec-ch-ua', 'sec-ch-ua-mobile', 'sec-ch-ua-platform'],
  ...['sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site', 'sec-fetch-user', 'sec-websocket-accept'],
  ...['sec-websocket-extensions', 'sec-websocket-key', 'sec-websocket-protocol', 'sec-websocket-version', 'server'],
  ...['server-timing', 'set-cookie', 'strict-transport-security', 'te', 'traceparent', 'tracestate', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'upgrade-insecure-requests', 'user-agent', 'vary', 'via', 'www-authenticate'],
  ...['x-api-key', 'x-content-type-options', 'x-correlation-id', 'x-forwarded-for', 'x-forwarded-host'],
  ...['x-forwarded-port', 'x-forwarded-proto', 'x-frame-options', 'x-powered-by', 'x-real-ip', 'x-request-id'],
  ...['x-requested-with', 'x-xss-protection'],
]

/** Slots of the table, a power of two. */
const slots = 2048

/** Each slot holds one name; a name whose slot is taken is not in the table, and is sliced out of the text like any other. */
const table: (string | undefined)[] = tableOfNames()

/** Adds one byte of a name to its hash, without regard to case. */
export function hashByte(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + (byte | 0x20)) | 0
}

/**
 * The name at these bytes, in lower case, when it is in the table; `hash` is over all its bytes. Slicing and lower-casing
 * took half of the time to parse a head (2.5 µs for nine fields, 1.1 µs with the table), and comparing a known name later
 * compares pointers.
 */
export function knownName(bytes: Uint8Array, from: number, to: number, hash: number): string | undefined {
  const name = table[hash & (slots - 1)]
  if (name === undefined || name.length !== to - from) return undefined
  // Known names have only letters and dashes, and no other byte of a token equals one of these after `| 0x20`.
  for (let i = 0; i < name.length; i++) if ((bytes[from + i]! | 0x20) !== name.charCodeAt(i)) return undefined
  return name
}

function tableOfNames(): (string | undefined)[] {
  const names = new Array<string | undefined>(slots).fill(undefined)
  for (const name of known) {
    let hash = 0
    for (let i = 0; i < name.length; i++) hash = hashByte(hash, name.charCodeAt(i))
    names[hash & (slots - 1)] ??= name
  }
  return names
}
