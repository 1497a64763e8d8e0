import type { AcmeConfig } from '../acme/acme-config.ts'
import type { Origin } from '../grants/origin.ts'
import type { HalfClose } from '../http/exchange.ts'
import type { Underscores } from '../http/underscores.ts'
import type { KeepAlive } from '../net/keep-alive.ts'
import type { MatchConfig } from '../route/match.ts'
import type { PathException } from '../route/path-exceptions.ts'
import type { Isolation } from '../sandbox/group-name.ts'
import type { Limits } from '../sandbox/plugin.ts'
import type { UpstreamTls } from '../tls/client-context.ts'
import type { ServerTlsConfig } from '../tls/server-config.ts'
import type { ListenerProtocol, UpstreamProtocol } from './protocols.ts'

/**
 * The configuration as a user writes it, after references, schema defaults and checks: durations in milliseconds, sizes in
 * MB. Deeply frozen. Objects keyed by name have null prototypes: `constructor` is a name like any other, and an unknown
 * name is `undefined`.
 */
export interface Config {
  readonly listeners: Readonly<Record<string, ListenerConfig>>
  readonly routes: Readonly<Record<string, RouteConfig>>
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>
  readonly policies: Readonly<Record<string, PolicyConfig>>
  readonly plugins: Readonly<Record<string, PluginConfig>>
  /** Every certificate of a listener that is ordered by ACME. */
  readonly acme: readonly AcmeConfig[]
  readonly log: LogConfig
  /** Worker processes of the host; `auto`: one per core. */
  readonly workers: 'auto' | number
  readonly drain: DrainConfig
}

export interface DrainConfig {
  /** How long listeners still accept after the drain has begun, ms. */
  readonly delay: number
  /** Longest time, after the delay, for what is under way, ms. */
  readonly timeout: number
}

/** A version of HTTP, as a user writes it. */
export type HttpChoice = '1.1' | '2'

export interface ListenerConfig {
  readonly protocol: ListenerProtocol
  /** Address to bind; `::` takes IPv4 too. */
  readonly address: string
  /** 0 takes a free port, and is that of a Unix socket. */
  readonly port: number
  /** Of the path, where the address is that of a Unix socket. */
  readonly mode?: number
  /** Most connections at a time, on the host. Not udp. */
  readonly maxConnections?: number
  /** Of TCP, not udp. */
  readonly keepAlive?: KeepAlive
  /** CIDR ranges, or `unix`, of proxies whose forwarding headers are trusted. */
  readonly trustedProxies: readonly string[]
  /** Who names its clients in a header in front of their bytes. */
  readonly proxyProtocol?: ProxyProtocolConfig
  /** What happens to headers with an underscore in their name. http only. */
  readonly underscores: Underscores
  /**
   * Versions of HTTP that clients may use, in any order. http and https only, where it is never empty. Default: 1.1, and 2 over TLS.
   */
  readonly http: readonly HttpChoice[]
  /** What the FIN of a client means while its request is answered. http only. */
  readonly halfClose: HalfClose
  readonly policies: readonly string[]
  /** https and tls only, where it is always set. */
  readonly tls?: ServerTlsConfig
  readonly timeouts: ClientTimeouts
  /** udp only, where it is always set. */
  readonly sessions?: SessionsConfig
  /** Least bytes per second that a client must send or read while a body waits for it. http only. */
  readonly minRate?: number
  /** http and https only. Without it there are none. */
  readonly limits?: ListenerLimits
}

/** Beyond each of them a client's connection is announced to end, and ends after the requests under way. */
export interface ListenerLimits extends ConnectionLimits {
  /** Requests that a connection serves. */
  readonly requestsPerConnection?: number
}

export interface ConnectionLimits {
  /** Age from which a connection takes no more requests, ms; of each connection it is up to 10 % more or less. */
  readonly connectionAge?: number
}

/** Sessions of UDP, of each worker. */
export interface SessionsConfig {
  /** Most clients at a time. */
  readonly max: number
  /** What gives way to a new client: the session that has been silent for longest, those never answered first, or it itself. */
  readonly whenFull: 'oldest' | 'refuse'
}

/** The PROXY protocol in front of a listener. */
export interface ProxyProtocolConfig {
  /** CIDR ranges, or `unix`, of proxies whose connections begin with a header; never empty. */
  readonly from: readonly string[]
  /** Whether all other peers are refused. */
  readonly required: boolean
}

/** Time limits for clients, ms. */
export interface ClientTimeouts {
  /** Longest time from the connection to the end of the TLS handshake, or of the ClientHello that routes of a tcp listener need. */
  readonly handshake: number
  // Of http and https only:
  /** Longest time for a client to send a request's head. */
  readonly head: number
  /** Longest silence of a client whose turn it is: it neither sends its body nor reads the response. */
  readonly idle: number
  /** Longest time until its next request. */
  readonly keepAlive: number
}

export interface RouteConfig {
  readonly listener: string
  readonly match: MatchConfig
  /**
   * Its position, in the order written, among the routes of its listener of which none is more specific: the first that
   * matches a request serves it. `undefined`: 0.
   */
  readonly rank?: number
  /** Spellings of the path that are accepted although servers read them differently. http only. */
  readonly pathExceptions: readonly PathException[]
  readonly policies: readonly string[]
  /** Exactly one of `upstream` and `reply` is set. */
  readonly upstream?: string
  readonly reply?: ReplyConfig
  /** What of a request changes when it is sent upstream. http only. */
  readonly rewrite?: RewriteConfig
  /** Names in lower case. http only. */
  readonly headers?: { readonly request?: HeaderEditsConfig; readonly response?: HeaderEditsConfig }
  /** Total time of a request, ms. */
  readonly timeout?: number
  /** Replace those of the upstream for the requests of this route. http only. */
  readonly timeouts?: RouteTimeouts
}

/** Texts are templates, see `core/shape/template.ts`. */
export interface RewriteConfig {
  /** Whole segments that the path loses at its beginning. */
  readonly stripPrefix?: string
  /** What it then gets there. */
  readonly addPrefix?: string
  /** Replaces the path, instead of the two. */
  readonly path?: string
  readonly query?: QueryEditsConfig
  /** `Host`: that of the `client`, the address of the `backend`, or this name. */
  readonly host: string
}

export interface QueryEditsConfig {
  readonly set?: Readonly<Record<string, string>>
  readonly add?: Readonly<Record<string, string>>
  readonly remove?: readonly string[]
}

export interface HeaderEditsConfig {
  readonly set?: Readonly<Record<string, string>>
  readonly append?: Readonly<Record<string, string>>
  readonly remove?: readonly string[]
}

export type RouteTimeouts = Partial<Pick<TimeoutsConfig, 'response' | 'idle' | 'tunnel'>>

export interface ReplyConfig {
  readonly status: number
  /** Status from the beginning of a shutdown on. */
  readonly drainStatus?: number
  /** Location, with `{scheme}`, `{host}`, `{path}` and `{query}` (with its `?`) filled in. */
  readonly redirect?: string
  readonly body?: string
}

export interface UpstreamConfig {
  readonly protocol: UpstreamProtocol
  readonly backends: readonly BackendConfig[]
  /** Version of HTTP that its backends speak; `auto`: the one that they agree on over TLS, else 1.1. http only. */
  readonly http: HttpChoice | 'auto'
  /** Without it connections are not encrypted. */
  readonly tls?: UpstreamTls
  /** Version of the header in which each connection to a backend begins. Default: no header. */
  readonly proxyProtocol?: 'v1' | 'v2'
  /** IP address of this host that connections to its backends come from. */
  readonly source?: string
  /** Of TCP, not udp. */
  readonly keepAlive?: KeepAlive
  /** Most connections under way to its backends together, on the host; of http upstreams those with a request. */
  readonly maxConnections?: number
  readonly balance: BalanceConfig
  /** Answers to each datagram of a client after which its session is over; without it only silence ends it. udp only. */
  readonly responses?: number
  readonly health: HealthConfig
  readonly retry: RetryConfig
  readonly timeouts: TimeoutsConfig
  /** http only. Without it there are none. */
  readonly limits?: ConnectionLimits
  readonly policies: readonly string[]
}

/** With `hash` the backend follows from a fact about the flow. */
export type BalanceConfig = 'round-robin' | 'least-connections' | { readonly hash: 'client.ip' }

export interface BackendConfig {
  /** `host:port` or `[v6]:port`. */
  readonly address: string
  readonly weight: number
  readonly state: 'up' | 'drain' | 'down'
  /** As `maxConnections` of the upstream, for this backend. */
  readonly maxConnections?: number
  /** Facts about it for plugins. */
  readonly labels?: Readonly<Record<string, string>>
}

export interface HealthConfig {
  readonly enabled: boolean
  /** With a path the probe is an HTTP request, without it a TCP connect. */
  readonly path?: string
  /** The probe is one of gRPC. `service`: without it the server as a whole. */
  readonly grpc?: { readonly service?: string }
  /** The probe is a datagram. udp only. */
  readonly udp?: { readonly send: string; readonly expect?: string }
  /** The probe is a TCP connect to this port. udp only. */
  readonly tcp?: number
  /** `Host` of the request; without it the address of the backend. */
  readonly host?: string
  /** Without it `GET`. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Status that counts as healthy; without it any 2xx or 3xx. */
  readonly status?: number
  readonly interval: number
  readonly timeout: number
  /** Consecutive probes that mark a backend up (rise) or down (fall). */
  readonly rise: number
  readonly fall: number
}

/** What besides a request that no backend has processed is sent again. */
export type RetryCause = 'connect' | 'reset' | 'timeout' | `grpc:${number}` | number

export interface RetryConfig {
  /** Most attempts after the first one. */
  readonly attempts: number
  /** Total time of all attempts to connect, ms; without it each has the limit for a connection. */
  readonly within?: number
  readonly on: readonly RetryCause[]
  /** Methods that count as idempotent besides those that are (RFC 9110 §9.2.2). http only. */
  readonly idempotent: readonly string[]
}

export interface TimeoutsConfig {
  /** Longest time until the connection is established, its TLS handshake included, ms. */
  readonly connect: number
  /** Longest time from the request sent to the response head, ms. */
  readonly response: number
  /** Longest silence of a backend whose turn it is (L7), or of both sides (L4), ms. */
  readonly idle: number
  /** Longest time without data in both directions of an upgraded connection, ms. http only. */
  readonly tunnel: number
  /** Longest time in which a client or backend acknowledges nothing of what was written to it, ms. tcp only. Default: none. */
  readonly write?: number
}

export interface PolicyConfig {
  readonly plugin: string
  readonly options: Readonly<Record<string, unknown>>
  readonly onFailure: 'reject' | 'continue'
}

export interface PluginConfig extends Isolation {
  /**
   * A `.ts` or `.js` file relative to the configuration, or the name of an installed package. Without it: the plugin of
   * that name beside the configuration or in this package.
   */
  readonly source?: string
  /** Origins that its grants may reach. */
  readonly fetch: readonly Origin[]
  /** What it may read, write and use; without it, whatever its code asks for. */
  readonly allow?: {
    readonly reads: readonly string[]
    readonly writes: readonly string[]
    readonly needs: readonly string[]
  }
  readonly limits: Limits
}

export interface LogConfig {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly access: boolean
}
