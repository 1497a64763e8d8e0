import { join } from 'node:path'

/** What a proxy is to do. */
export interface Work {
  readonly layer: 'http' | 'tcp' | 'udp'
  /**
   * What it does besides forwarding: 1: looks up the key in `x-api-key`, removes it and names its owner in `x-consumer`.
   * 3: also counts the requests of that owner and tells the count in two fields of the response; and sends requests with
   * `x-beta: 1` to the other port of the backend. 5: also writes two more fields of the request.
   */
  readonly plugins: 0 | 1 | 3 | 5
  /** Exact paths `/r/0`, `/r/1` …, each a route. Default: one route for everything. */
  readonly routes?: number
  /** So many upstreams share the routes, all of them the same backend. Default: 1. */
  readonly upstreams?: number
  /** Default: as the program is shipped. */
  readonly accessLog?: false
  /** Default: as the program is shipped. */
  readonly healthChecks?: false
  /** Also passes WebSockets on, to a backend that echoes. */
  readonly webSockets?: true
  /** Encrypted towards the client, with `certificate`, and resumed sessions. */
  readonly tls?: true
  /** Clients speak HTTP/2 without TLS and without asking (prior knowledge); backends HTTP/1.1, as nginx can only do. */
  readonly http2?: true
  /** HTTP/2 on both sides. `unary`: each call has an answer at once; `open`: calls whose answers begin and do not end. */
  readonly grpc?: 'unary' | 'open'
  /**
   * On L4, clients and backend speak TLS with each other. `name`: the proxy reads the server name, `localhost`, and refuses any other;
   * `blind`: it reads nothing.
   */
  readonly passthrough?: 'name' | 'blind'
  /** Each connection of a client begins with a header of the PROXY protocol. With `tcp` only. */
  readonly proxyProtocol?: true
  /** Worker processes. Default: 1. */
  readonly workers?: number
}

/** Where it does it. */
export interface Site {
  /** For its files; its own. */
  readonly folder: string
  /** To listen on, at 127.0.0.1. */
  readonly port: number
  /** Of the backend, at 127.0.0.1. */
  readonly stable: number
  readonly beta: number
  /** The most connections that clients will open. */
  readonly connections: number
}

/** A program that can be measured. */
export interface Peer {
  readonly name: string
  /** What is not installed; `undefined` when it can run. */
  missing(): string | undefined
  version(): string
  /** Writes what it needs into the folder and says how to run it in the foreground. */
  command(work: Work, site: Site): string[]
}

const fixtures = join(import.meta.dirname, '../../fixtures/tls')

/** Of all that encrypt: ECDSA, P-256, for 127.0.0.1. */
export const certificate = { cert: join(fixtures, 'cert.pem'), key: join(fixtures, 'key.pem') } as const

/** Sent with every request, to all. */
export const requestHeaders: Readonly<Record<string, string>> = {
  accept: 'application/json',
  'user-agent': 'bench',
  'x-api-key': 'key-of-alice',
  'x-beta': '1',
}

/** Sent with every call of gRPC, to all. */
export const grpcHeaders: Readonly<Record<string, string>> = {
  'content-type': 'application/grpc',
  te: 'trailers',
  'user-agent': 'bench',
}

/** Key → owner. */
export const keys: Readonly<Record<string, string>> = Object.fromEntries([
  ['key-of-alice', 'alice'],
  ...Array.from({ length: 99 }, (_, index) => [`key-of-${index}`, `consumer-${index}`]),
])
