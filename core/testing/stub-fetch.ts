import { createFetcher, type Fetcher } from '../grants/fetcher.ts'
import type { Outbound } from '../grants/outbound.ts'

/** A request that the plugin under test sends with `fetch`, or the host sends for the keys of `jwt`. */
export interface TestFetchRequest {
  readonly url: string
  readonly method: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** Default: status 200, no headers, an empty body. A body that is an object is sent as JSON. */
export interface TestFetchResponse {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | object
}

export type TestFetch = (request: TestFetchRequest) => TestFetchResponse | Promise<TestFetchResponse>

/** Answers requests from the test instead of the network. Every origin is allowed; all other rules apply. */
export function stubFetch(answer: TestFetch): Fetcher {
  const outbound: Outbound = async ({ url, method, headers, body }) => {
    const {
      status = 200,
      headers: given = {},
      body: content = '',
    } = await answer({
      url: url.href,
      method,
      headers: Object.fromEntries(headers),
      body,
    })
    const list = Object.entries(given).map(([name, value]): [string, string] => [name.toLowerCase(), value])
    return { status, headers: list, body: bytesOf(content) }
  }
  const fetcher = createFetcher(outbound)
  return (order, _origins, signal) => {
    const url = URL.parse(order.url)
    return fetcher(order, url === null ? [] : [{ origin: url.origin, private: true }], signal)
  }
}

function bytesOf(content: string | Uint8Array | object): Buffer {
  if (content instanceof Uint8Array) return Buffer.from(content)
  return Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
}
