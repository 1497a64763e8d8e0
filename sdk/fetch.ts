/**
 * Sends one HTTP request and returns the complete response.
 *
 * Only origins that the operator lists for the plugin (`plugins.<name>.fetch`) are reached, and of those none whose
 * address is not public (private, loopback, link-local, metadata, …) unless it is listed as such; the address checked is
 * the one connected to. At most 3 redirects are followed, only to listed origins; `authorization` and `cookie` do not
 * follow to another origin. No proxy is used, no cookie is kept, nothing is decompressed.
 *
 * @param url absolute, `http:` or `https:`, without user name and password.
 * @throws {GrantError} when the origin is not allowed, the server cannot be reached or times out, or its response is too
 *   long. A response of any status is not an error.
 */
export type Fetch = (url: string, request?: FetchRequest) => Promise<FetchResponse>

export interface FetchRequest {
  /** Default: `GET`. `CONNECT` and `TRACE` are refused. */
  readonly method?: string
  /**
   * Default: none. Refused are `host`, `content-length`, and those that belong to one connection (`connection`, `te`,
   * `transfer-encoding`, `upgrade`, `proxy-authorization`, …).
   */
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as UTF-8, at most 65,536 characters; not with `GET` and `HEAD`. Default: none. */
  readonly body?: string
  /** Longest total time, milliseconds, 1 to 5,000. Default: 2,000. */
  readonly timeout?: number
  /** Longest body of the response, bytes, 0 to 1,048,576. Default: 1,048,576. */
  readonly limit?: number
}

export interface FetchResponse {
  /** 200 to 599. */
  readonly status: number
  readonly headers: FetchHeaders
  /** The body as UTF-8 text; malformed bytes become U+FFFD. */
  text(): string
  /**
   * The body as JSON.
   *
   * @throws {SyntaxError} when it is not JSON.
   */
  json(): unknown
  /** The body as received. */
  bytes(): Uint8Array
}

export interface FetchHeaders {
  /** Value of a header, whatever the letter case; several are joined by `, `. */
  get(name: string): string | undefined
  /** All of them, names in lower case. */
  list(): [name: string, value: string][]
}
