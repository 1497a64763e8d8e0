import { createHash } from 'node:crypto'
import type { BackendConfig, UpstreamConfig } from '../config/types.ts'
import { type Origin, parseOrigin } from '../grants/origin.ts'
import type { BackendFacts } from '../hooks/scopes.ts'
import type { HttpConnection, PoolOwner } from '../http/exchange.ts'
import type { UpstreamPool } from '../http/upstream-exchange.ts'
import { ConnectionPool } from '../http1/connection-pool.ts'
import { sessionLimits } from '../http2/client-connection.ts'
import { Http2Pool } from '../http2/connection-pool.ts'
import { connectTo, greetingBy } from '../net/connect.ts'
import type { KeepAlive } from '../net/keep-alive.ts'
import type { Peer } from '../net/peer.ts'
import { unixPath } from '../net/unix-address.ts'
import { writeProxyHeader } from '../net/write-proxy-header.ts'
import type { ClientContext } from '../tls/client-context.ts'
import { TlsConnector } from '../tls/connect-tls.ts'
import { NegotiatedPool } from './negotiated-pool.ts'
import { proxiedClientOf } from './proxied-client.ts'

/** What an upstream says of the connections to its backends. */
type Spoken = Pick<UpstreamConfig, 'http' | 'protocol' | 'proxyProtocol'>

/** One member of an upstream. It outlives reloads that keep its upstream's name, protocols and TLS settings, and its address. */
export class Backend implements BackendFacts, PoolOwner {
  /** Increases whenever the availability or weight of any backend may have changed: lists derived from them compare it. */
  static changes = 0

  /** Stable over restarts and hosts: the first 16 hexadecimal digits of SHA-256(upstream name, line feed, address). */
  readonly id: string
  /** Name of the upstream that it belongs to. */
  readonly upstream: string
  /** `host:port`, `[v6]:port` or `unix:/path`, as configured. */
  readonly address: string
  /** Of a Unix socket; `undefined`: it has `host` and `port`. */
  readonly path: string | undefined
  /** What a request to it names as its host where nothing else does. */
  readonly authority: string
  /** Without brackets, as `node:net` expects it. */
  readonly host: string
  readonly port: number
  /** `undefined`: without TLS. */
  readonly tls: TlsConnector | undefined
  /** Version of HTTP that it speaks. */
  readonly http: UpstreamConfig['http']
  readonly protocol: UpstreamConfig['protocol']
  /** Version of the header in which its connections begin; `undefined`: they have none. */
  readonly proxyProtocol: UpstreamConfig['proxyProtocol']
  /** Credit in smooth weighted round robin. State of the balance is kept here because a weak map costs 25 ns a look-up. */
  credit = 0
  /** Called for a backend that is probed when it has refused a datagram: counts as a failed probe. */
  refused: ((why: string) => void) | undefined
  /** State of the balance: number of the last pick of this backend, counted over all picks; 0: never. */
  picked = 0
  /** As JSON; empty when it has none. */
  labels = ''
  /** See `Address`. */
  source: string | undefined
  /** See `Address`. */
  keepAlive: KeepAlive | undefined
  /** Most flows under way on it, in this process. */
  limit: number = Number.POSITIVE_INFINITY
  #configuredWeight: number
  #measuredWeight: number | undefined
  #weight: number
  #state: BackendConfig['state']
  #healthy = true
  #active = 0
  #retired = false
  #pool: UpstreamPool | undefined
  /** Those of connections of clients. */
  readonly #apart = new Set<UpstreamPool>()
  #origin: Origin | undefined
  /** Of its pools, which read it whenever it matters. */
  readonly #limits = { ...sessionLimits }

  /**
   * @param tls of its upstream. Default: without TLS.
   * @param upstreamConfig `http`, `protocol` and `proxyProtocol` of its upstream. Default: HTTP/1.1, and no header.
   */
  constructor(
    upstream: string,
    config: BackendConfig,
    tls?: ClientContext,
    { http = '1.1', protocol = 'http', proxyProtocol }: Partial<Spoken> = {},
  ) {
    const { address } = config
    const colon = address.lastIndexOf(':')
    this.id = createHash('sha256').update(`${upstream}\n${address}`).digest('hex').slice(0, 16)
    this.upstream = upstream
    this.address = address
    this.path = unixPath(address)
    // A Unix socket has neither; `localhost` is what servers expect from those that connect to it.
    const isUnix = this.path !== undefined
    this.authority = isUnix ? 'localhost' : address
    this.host = isUnix ? 'localhost' : address.startsWith('[') ? address.slice(1, colon - 1) : address.slice(0, colon)
    this.port = isUnix ? 0 : Number(address.slice(colon + 1))
    this.tls = tls && new TlsConnector(tls)
    this.http = http
    this.protocol = protocol
    this.proxyProtocol = proxyProtocol
    this.#configuredWeight = config.weight
    this.#weight = config.weight
    this.#state = config.state
    this.label(config)
  }

  /** Opens a connection to it; over TLS, it is established when the handshake is complete. */
  get connect(): typeof connectTo {
    return this.tls?.connectTo ?? connectTo
  }

  /** For fetches of policies. The operator has named this very address, so it may be private. No URL can have a zone of IPv6. */
  get origin(): Origin | undefined {
    if (this.#origin !== undefined || this.path !== undefined) return this.#origin
    const context = this.tls?.context
    const isHttps = context !== undefined && context.settings.starttls === undefined
    const text = `${isHttps ? 'https' : 'http'}://${this.address}`
    if (!URL.canParse(text)) return undefined
    this.#origin = { ...parseOrigin(text, true), tls: isHttps ? context.optionsBeside(this.host) : undefined }
    return this.#origin
  }

  /** Sets its labels, for the plugins. */
  label({ labels }: BackendConfig): void {
    this.labels = labels === undefined ? '' : JSON.stringify(labels)
  }

  /** Age from which a connection takes no more requests, ms; `undefined`: none. For connections that are open, too. */
  set connectionAge(age: number | undefined) {
    this.#limits.maxAge = age ?? Number.POSITIVE_INFINITY
  }

  /** State set by the operator; see `available` and `draining`. */
  get state(): BackendConfig['state'] {
    return this.#state
  }

  set state(state: BackendConfig['state']) {
    if (state === this.#state) return
    this.#state = state
    Backend.changes++
  }

  /** Result of the health check; true before the first probe and without a check. */
  get healthy(): boolean {
    return this.#healthy
  }

  set healthy(healthy: boolean) {
    if (healthy === this.#healthy) return
    this.#healthy = healthy
    Backend.changes++
  }

  /** Share of the traffic as configured. */
  set configuredWeight(weight: number) {
    this.#configuredWeight = weight
    this.#weigh()
  }

  /** Weight set by a `checkHealth` hook; `undefined`: the configured one applies. */
  get measuredWeight(): number | undefined {
    return this.#measuredWeight
  }

  set measuredWeight(weight: number | undefined) {
    this.#measuredWeight = weight
    this.#weigh()
  }

  /** Relative share of the traffic. */
  get weight(): number {
    return this.#weight
  }

  /** Whether the balance may choose it. */
  get available(): boolean {
    return this.#healthy && this.#state === 'up'
  }

  /** Whether only a policy may choose it, for what has begun there: the balance gives it nothing new. */
  get draining(): boolean {
    return this.#healthy && this.#state === 'drain'
  }

  /** Requests (L7) or connections (L4) under way on it: `acquire` and `release` count them. */
  get active(): number {
    return this.#active
  }

  /** Whether it takes no further flow now. */
  get isFull(): boolean {
    return this.#active >= this.limit
  }

  /** Counts one flow as active; paired with exactly one `release`. */
  acquire(): void {
    this.#active++
  }

  /** Ends what one `acquire` began. */
  release(): void {
    this.#active--
    this.#closeIfIdle()
  }

  /**
   * Sends HTTP requests to it. Created on first use: on L4 it is never used. A retired backend closes its pool when it becomes
   * idle; a late request of an old snapshot creates another one.
   */
  get pool(): UpstreamPool {
    this.#pool ??= this.newPool()
    return this.#pool
  }

  /**
   * Sends the requests of a client's connection: with a header that names the client no other connection may share its own to
   * the backend.
   */
  poolFor(connection: HttpConnection): UpstreamPool {
    if (this.proxyProtocol === undefined) return this.pool
    connection.pools ??= new Map()
    const known = connection.pools.get(this)
    if (known !== undefined) return known
    const pool = this.newPool(this.greetingFor(connection.peer))
    connection.pools.set(this, pool)
    this.#apart.add(pool)
    return pool
  }

  closePool(pool: UpstreamPool): void {
    this.#apart.delete(pool)
    pool.close()
  }

  /** A pool apart from that of the requests. @param greeting Default: the gateway speaks for itself. */
  newPool(greeting: Buffer | undefined = this.greetingFor(undefined)): UpstreamPool {
    if (this.http === 'auto' && this.tls !== undefined)
      return new NegotiatedPool(this, this.tls, this.#limits, greeting)
    const connect = greetingBy(this.connect, greeting)
    const Pool = this.http === '2' ? Http2Pool : ConnectionPool
    return new Pool(this, connect, this.#limits)
  }

  /** The first bytes of a connection for that client. @param peer `undefined`: the gateway speaks for itself */
  greetingFor(peer: Peer | undefined): Buffer | undefined {
    return this.proxyProtocol && writeProxyHeader(this.proxyProtocol, peer && proxiedClientOf(peer))
  }

  /** Replaces the pool, and closes the previous one. */
  set pool(pool: UpstreamPool) {
    this.#pool?.close()
    this.#pool = pool
  }

  /** Resets the state of the balance: another balance starts anew. */
  forgetPicks(): void {
    this.credit = 0
    this.picked = 0
  }

  /** The configuration no longer contains it: its pool closes when its last flow has ended. */
  retire(): void {
    this.#retired = true
    for (const pool of this.#apart) this.closePool(pool)
    this.#closeIfIdle()
  }

  #weigh(): void {
    const weight = this.#measuredWeight ?? this.#configuredWeight
    if (weight === this.#weight) return
    this.#weight = weight
    Backend.changes++
  }

  #closeIfIdle(): void {
    if (!this.#retired || this.#active > 0) return
    this.#pool?.close()
    this.#pool = undefined
  }
}
