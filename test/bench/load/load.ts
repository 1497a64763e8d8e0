/** Requests to send to a proxy. */
export interface Load {
  readonly port: number
  /** With `paths`, the part before the number. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly seconds: number
  /** Ask for `<path>0` to `<path><paths - 1>` in turn. */
  readonly paths?: number
  /** A new connection for each request. */
  readonly close?: boolean
  /** Over TLS; a connection that is not the first resumes the session of one before it, or begins a new one. */
  readonly tls?: 'full' | 'resumed'
  /** Over HTTP/2 without TLS: so many requests at a time on each connection. Default: HTTP/1.1. */
  readonly streams?: number
  /** Body of each request, in hex; the method is POST. With `streams` only. Default: none, and GET. */
  readonly body?: string
  /** Whether connections begin with a header of the PROXY protocol; either way the load is by the generator in Node. */
  readonly proxyHeader?: boolean
  /** Datagrams instead of requests, one at a time from each of `connections` sockets. */
  readonly datagrams?: boolean
  /** Messages of WebSockets instead of requests. */
  readonly echo?: boolean
}

/** What came of it. Latencies in µs, `NaN` where the generator does not tell them. */
export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  /** Bytes received, heads included. */
  readonly bytes: number
  /** Connections that failed, and answers that were not 200. */
  readonly errors: number
  readonly p50: number
  readonly p99: number
}

/** The head of each request, for those who write it themselves. */
export function requestsOf({ port, path, headers, paths, close = false }: Load): string[] {
  const fields = Object.entries({ host: `127.0.0.1:${port}`, ...headers, ...(close ? { connection: 'close' } : {}) })
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const all = paths === undefined ? [path] : Array.from({ length: paths }, (_, index) => `${path}${index}`)
  return all.map((one) => `GET ${one} HTTP/1.1\r\n${lines}\r\n`)
}
