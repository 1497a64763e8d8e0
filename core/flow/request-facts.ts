import type { Chain } from '../hooks/chain.ts'
import type { BackendFacts, BodyFacts, FlowFacts, RequestFacts } from '../hooks/scopes.ts'
import { type ClientFacts, clientOf } from '../http/client-address.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import type { Hop } from '../http/forwarding.ts'
import { parseAuthority } from '../route/authority.ts'
import type { Target } from '../route/target.ts'
import type { HttpPlan, Route } from '../snapshot/snapshot.ts'
import type { Backend } from '../upstream/backend.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { BodyPath } from './body-path.ts'
import { flowId } from './flow-id.ts'

/** Longest silence of a client that is sent an answer made here, ms. */
const ownIdle = 30_000

const unread: Target = {
  authority: '',
  host: '',
  path: '',
  query: '',
  full: '',
  hasQuery: false,
}

/** The final response: of a backend, or made here, with its whole body. */
export interface FinalResponse {
  readonly status: number
  readonly reason: string
  readonly fields: Fields
  readonly body: BodyPath
}

/** What a request knows of itself: its flow moves it along, its policies read from it and write to it. */
export abstract class RequestState implements FlowFacts, RequestFacts {
  readonly layer = 'L7'
  readonly id: string = flowId()
  outcome = ''
  consumer: string | undefined
  candidates: readonly BackendFacts[] = []
  abstract readonly body: BodyFacts
  backend: Backend | undefined
  response: FinalResponse | undefined

  protected readonly exchange: Exchange
  protected readonly plan: HttpPlan
  protected readonly client: ClientFacts
  protected target: Target = unread
  protected route: Route | undefined
  protected chain: Chain | undefined
  protected upstream: Upstream | undefined

  constructor(exchange: Exchange, plan: HttpPlan) {
    this.exchange = exchange
    this.plan = plan
    const { connection } = exchange
    const peer = { ip: connection.peerIp, port: connection.peerPort, scheme: connection.scheme }
    this.client = clientOf(plan.trust, peer, exchange.fields)
  }

  get clientIp(): string {
    return this.client.ip
  }
  get clientPort(): number | undefined {
    return this.client.port
  }
  get peerIp(): string {
    return this.exchange.connection.peerIp
  }
  get localPort(): number {
    return this.exchange.connection.localPort
  }
  get listenerName(): string {
    return this.plan.name
  }
  get routeName(): string | undefined {
    return this.route?.name
  }
  get upstreamName(): string | undefined {
    return this.upstream?.name
  }
  get request(): RequestFacts {
    return this
  }
  get method(): string {
    return this.exchange.method
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
  get fields(): Fields {
    return this.exchange.fields
  }
  get requestFields(): Fields {
    return this.exchange.fields
  }
  get responseFields(): Fields | undefined {
    return this.response?.fields
  }

  /** Host and port that the client used, as far as a trusted proxy's word for it is well-formed. */
  protected get publicAuthority(): string {
    const told = this.client.host === undefined ? undefined : parseAuthority(this.client.host)
    return told === undefined || 'problem' in told ? this.target.authority : told.authority
  }

  /** How the request came here. */
  protected get hop(): Hop {
    const { peerIp, localPort } = this.exchange.connection
    const { ip, scheme, trusted } = this.client
    return { peerIp, clientIp: ip, scheme, authority: this.publicAuthority, localPort, trusted }
  }

  /** Longest silence while bytes are due, ms. */
  protected get idle(): number {
    return this.upstream?.config.timeouts.idle ?? ownIdle
  }

  upstreamProblem(name: string): string | undefined {
    const upstream = this.plan.snapshot.upstreams.get(name)
    if (upstream === undefined) return `there is no upstream "${name}"`
    if (upstream.config.protocol !== 'http') return `upstream "${name}" speaks tcp, not http`
    return this.chain === this.route?.base ? undefined : `a policy of an upstream cannot choose another upstream`
  }

  useUpstream(name: string): void {
    this.upstream = this.plan.snapshot.upstreams.get(name)
  }
}
