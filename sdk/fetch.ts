/**
 * Sends one HTTP request and returns the complete response.
 *
 * The operator lists the origins that a plugin can reach (`plugins.<name>.fetch`). An origin with an address that is
 * not public (private, loopback, link-local, metadata, …) is refused unless its entry allows that; the gateway checks
 * the very address that it connects to. It follows at most 3 redirects, to listed origins only, and removes
 * `authorization` and `cookie` when the origin changes. It uses no proxy, stores no cookies and does not decompress
 * bodies. One policy can have 256 requests in progress on each worker, over 32 connections to each origin.
 *
 * @param url absolute, `http:` or `https:`, without user name and password.
 * @throws {GrantError} when the origin or an argument is not allowed, the server cannot be reached or times out, or its
 *   response is too long. A response is never an error, whatever its status.
 */
export type Fetch = (url: string, request?: FetchRequest) => Promise<FetchResponse>

export interface FetchRequest {
  /** At most 20 letters, sent in upper case. Default: `GET`. `CONNECT` and `TRACE` are refused. */
  readonly method?: string
  /**
   * Default: none. `host`, `content-length`, `expect` and headers of one connection (`connection`, `te`,
   * `transfer-encoding`, `upgrade`, `proxy-authorization`, …) are refused. Without an `accept-encoding` here,
   * `identity` is sent.
   */
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as UTF-8, at most 65,536 characters. Default: none. Refused with `GET` and `HEAD`. */
  readonly body?: string
  /** Time limit for the request and its redirects together, milliseconds, 1 to 5,000. Default: 2,000. */
  readonly timeout?: number
  /** Size limit of the response's body, bytes, 0 to 1,048,576. Default: 1,048,576. */
  readonly limit?: number
}

export interface FetchResponse {
  /** 200 to 599. */
  readonly status: number
  readonly headers: FetchHeaders
  /** The body decoded as UTF-8; malformed sequences become U+FFFD. */
  text(): string
  /**
   * The body decoded as UTF-8 and parsed as JSON.
   *
   * @throws {SyntaxError} when it is not valid JSON.
   */
  json(): unknown
  /** The body as received. */
  bytes(): Uint8Array
}

export interface FetchHeaders {
  /**
   * Value of a header, `undefined` when absent; lines of the same name joined by `, `. The name is not case-sensitive.
   */
  get(name: string): string | undefined
  /** Every header as [lower-case name, value]. */
  list(): [name: string, value: string][]
}
