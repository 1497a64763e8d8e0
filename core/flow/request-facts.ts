import type { HookName } from '../../sdk/points.ts'
import { layerOf } from '../config/protocols.ts'
import type { Chain } from '../hooks/chain.ts'
import type { WritableFacts } from '../hooks/operations.ts'
import type { Prepared } from '../hooks/prepared.ts'
import type { BackendFacts, FlowFacts, RequestView } from '../hooks/scopes.ts'
import { type ClientFacts, clientOf } from '../http/client-address.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import type { EarlierHops, Hop } from '../http/forwarding.ts'
import { readStatus } from '../http/grpc.ts'
import { refusedPath } from '../http/refused-path.ts'
import type { TlsFacts } from '../net/peer.ts'
import { parseAuthority } from '../route/authority.ts'
import { captured } from '../route/captures.ts'
import type { Target } from '../route/target.ts'
import type { HttpPlan, Route } from '../snapshot/snapshot.ts'
import type { Backend } from '../upstream/backend.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Bodies } from './bodies.ts'
import { BodyPath } from './body-path.ts'
import type { TimeLimits } from './deadline.ts'
import { flowId } from './flow-id.ts'
import { type GrpcCall, grpcCallOf, statusOfCall } from './grpc-call.ts'
import { passableTrailers } from './head.ts'

/** What the record of a request shows whose target was refused. */
function refusedTarget({ rawTarget, fields }: Exchange): Target {
  const [named] = fields.all('host')
  const authority = named === undefined ? undefined : parseAuthority(named)
  const host = authority === undefined || 'problem' in authority ? '' : authority.host
  return { authority: '', host, path: refusedPath(rawTarget), query: '', full: '', hasQuery: false, isPlain: false }
}

/** Identifiers that are kept: they go into headers and, without an escape, into log lines. */
const requestId = /^[\w.:;,@/+=~-]{1,128}$/

/** The final response: of a backend, or of the gateway itself with its whole body. */
export class FinalResponse {
  readonly status: number
  readonly reason: string
  readonly fields: Fields
  /** The whole body, one character for each byte, as long as nothing has asked for its path. */
  text: string | undefined
  #body: BodyPath | undefined

  constructor(status: number, reason: string, fields: Fields, body: BodyPath | string) {
    this.status = status
    this.reason = reason
    this.fields = fields
    if (typeof body === 'string') this.text = body
    else this.#body = body
  }

  /** The path of the body, made when it is asked for: a short body that is neither held nor changed needs none. */
  get body(): BodyPath {
    this.#body ??= new BodyPath(undefined, Buffer.from(this.text!, 'latin1'))
    this.text = undefined
    return this.#body
  }
}

/** The facts of a request: its flow sets them, its policies read and write them. */
export class RequestFacts implements FlowFacts, RequestView, TimeLimits, WritableFacts {
  readonly layer = 'L7'
  /** That of a trusted proxy, if it sent one; see `identify`. */
  id: string = flowId()
  readonly client: ClientFacts
  outcome = ''
  consumer: string | undefined
  prepared: Prepared | undefined
  candidates: readonly BackendFacts[] = []
  backend: Backend | undefined
  route: Route | undefined
  chain: Chain | undefined
  upstream: Upstream | undefined
  response: FinalResponse | undefined
  readonly grpc: GrpcCall | undefined
  /** What a trusted peer said of the hops before it. */
  earlier: EarlierHops | undefined
  readonly #exchange: Exchange
  readonly #plan: HttpPlan
  readonly #bodies: Bodies
  #target: Target | undefined
  #states: (string | undefined)[] | undefined

  constructor(exchange: Exchange, plan: HttpPlan, bodies: Bodies) {
    this.#exchange = exchange
    this.#plan = plan
    this.#bodies = bodies
    this.client = clientOf(plan.trust, exchange.connection.peer, exchange.fields)
    this.grpc = grpcCallOf(exchange)
  }

  get target(): Target {
    this.#target ??= refusedTarget(this.#exchange)
    return this.#target
  }
  set target(target: Target) {
    this.#target = target
  }

  get states(): (string | undefined)[] {
    this.#states ??= []
    return this.#states
  }
  get clientIp(): string {
    return this.client.ip
  }
  get clientPort(): number | undefined {
    return this.client.port
  }
  get peerIp(): string {
    const { address, proxied } = this.#exchange.connection.peer
    return proxied === undefined ? address : proxied.by
  }
  get localPort(): number {
    return this.#exchange.connection.peer.localPort
  }
  get tls(): TlsFacts | undefined {
    return this.#exchange.connection.peer.tls
  }
  get listenerName(): string {
    return this.#plan.name
  }
  get routeName(): string | undefined {
    return this.route?.name
  }
  get upstreamName(): string | undefined {
    return this.upstream?.name
  }
  get grpcStatus(): number | undefined {
    return statusOfCall(this)
  }
  get request(): RequestView {
    return this
  }
  get method(): string {
    return this.#exchange.method
  }
  get scheme(): string {
    return this.client.scheme
  }
  get host(): string {
    return this.target.host
  }
  get path(): string {
    return this.target.path
  }
  get interpretations(): readonly string[] | undefined {
    return this.target.interpretations
  }
  get query(): string {
    return this.target.query
  }
  get full(): string {
    return this.target.full
  }
  capture(name: string): string | undefined {
    const captures = this.route?.shape?.captures
    const { full } = this.target
    const mark = full.indexOf('?')
    return captures && captured(mark === -1 ? full : full.slice(0, mark), captures, name)
  }
  get fields(): Fields {
    return this.#exchange.fields
  }
  get requestFields(): Fields {
    return this.#exchange.fields
  }
  get responseFields(): Fields | undefined {
    return this.response?.fields
  }
  get body(): BodyPath {
    return this.#bodies.request
  }
  get chunk(): Bodies['chunk'] {
    return this.#bodies.chunk
  }

  /** The last hop of the request. */
  get hop(): Hop {
    const { address: peerIp, localPort: own, proxied } = this.#exchange.connection.peer
    const { ip, scheme } = this.client
    // A proxy that names the client leaves no trace in these fields.
    const localPort = proxied === undefined ? own : proxied.destination.port
    return { peerIp, clientIp: ip, scheme, authority: this.#publicAuthority, localPort }
  }

  /** Host and port that the client used: from a trusted proxy if well-formed, else from the request. */
  get #publicAuthority(): string {
    const named = this.client.host === undefined ? undefined : parseAuthority(this.client.host)
    return named === undefined || 'problem' in named ? this.target.authority : named.authority
  }

  get responseLimit(): number {
    return this.route?.config.timeouts?.response ?? this.upstream!.config.timeouts.response
  }
  get idle(): number {
    return this.route?.config.timeouts?.idle ?? this.upstream!.config.timeouts.idle
  }
  get clientIdle(): number {
    return this.#plan.config.timeouts.idle
  }
  get minRate(): number | undefined {
    return this.#plan.config.minRate
  }
  /** Longest silence of an upgraded connection, ms. */
  get tunnelIdle(): number {
    return this.route?.config.timeouts?.tunnel ?? this.upstream!.config.timeouts.tunnel
  }

  /** Takes the identifier that a trusted proxy gave the request, so that one name leads through the logs of all. */
  identify(id: string | undefined): void {
    if (id !== undefined && requestId.test(id)) this.id = id
  }

  /** The trailers of the response that may be passed on; notes the status of a gRPC call in them. */
  trailersOfResponse(trailers: Fields | undefined): Fields | undefined {
    if (this.grpc !== undefined) this.grpc.status = readStatus(trailers)
    return passableTrailers(trailers, 'response', this)
  }

  /** Sets the route, with its upstream and its chain. */
  take(route: Route): void {
    this.route = route
    this.upstream = route.upstream
    this.chain = route.base
  }

  replaceBody(hook: HookName, bytes: Uint8Array): void {
    this.#bodies.replace(hook, bytes)
  }

  upstreamProblem(name: string): string | undefined {
    const upstream = this.#plan.snapshot.upstreams.get(name)
    if (upstream === undefined) return `there is no upstream "${name}"`
    const { protocol } = upstream.config
    if (layerOf(protocol) !== 'L7')
      return `upstream "${name}" has the protocol ${protocol}; this listener forwards requests`
    return this.chain === this.route?.base ? undefined : 'a policy of an upstream cannot choose another upstream'
  }

  useUpstream(name: string): void {
    this.upstream = this.#plan.snapshot.upstreams.get(name)
  }
}
