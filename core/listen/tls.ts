import type { SecureContext } from 'node:tls'
import { PosternError } from '../errors.ts'
import type { Refusal, Visit } from '../flow/visit.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { sayLast } from '../net/last-words.ts'
import type { Peer } from '../net/peer.ts'
import type { HttpPlan, TcpPlan } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import { type ArrivalOwner, type HandshakeFailure, TlsArrival } from '../tls/arrival.ts'
import type { ClientHello } from '../tls/client-hello.ts'
import type { IssuedCertificates } from '../tls/managed-certificate.ts'
import { newServerContext } from '../tls/server-context.ts'
import { ServerContexts } from '../tls/server-contexts.ts'
import type { TicketKeys } from '../tls/ticket-keys.ts'
import { recordArrival } from './arrival-record.ts'

/** A listener of which each connection begins with a handshake. */
export interface SecuredListener {
  readonly plan: HttpPlan | TcpPlan
  readonly port: number
  /** The client has said which server it wants. @returns what decides about it; `undefined`: nothing does; text: why it is refused */
  onHello(peer: Peer): Visit | string | undefined
  /** The handshake is over. @param stream not started. @param visit of `onHello`. */
  onSecured(stream: ByteStream, peer: Peer, visit: Visit | undefined): void
  /** The client's certificate is not accepted. @param stream not started; to be ended */
  onUnverified(stream: ByteStream, problem: string, id: string): void
  /** The client does not speak TLS. @param stream to be ended */
  onPlain(stream: ByteStream, first: Buffer, id: string): void
  /** One connection less is on its way. */
  onArrivalOver(): void
}

/** Versions of HTTP as ALPN names them, the one first that clients get that offer both. */
const alpn = [
  ['2', 'h2'],
  ['1.1', 'http/1.1'],
] as const

/** The one of clients that ask for TLS as those of PostgreSQL do. */
const database = 'postgresql'
/** What a CA offers, and nothing else, that looks for the proof that a name leads here. */
const acme = 'acme-tls/1'
const nothing = new Uint8Array(0)

/** The gateway ends. */
export const closing: HandshakeFailure = { code: 'SD', problem: 'closed by the gateway', alert: undefined }

/** A connection that is to begin a handshake. */
interface Entering {
  readonly stream: ByteStream
  readonly peer: Peer
  /** When it was accepted, by `performance.now`. */
  readonly since: number
  /** It has begun with TLS where others ask for it. */
  readonly isDirect: boolean
}

interface Arriving extends Omit<Entering, 'stream'> {
  visit: Visit | undefined
}

/** The connections of a listener on their way through the handshake. */
export class TlsEntrance implements ArrivalOwner {
  readonly #listener: SecuredListener
  readonly #tap: Tap
  readonly #arrivals = new Map<TlsArrival, Arriving>()
  #contexts: ServerContexts

  /**
   * @param listener whose plan has `tls`
   * @param tickets of all listeners of the process
   */
  constructor(listener: SecuredListener, tap: Tap, tickets: TicketKeys) {
    this.#listener = listener
    this.#tap = tap
    const { name, config, snapshot } = listener.plan
    this.#contexts = new ServerContexts(name, config.tls!, tickets, snapshot.acme)
  }

  /**
   * The plan has changed: handshakes from now on use its certificates. Those under way end when they began under other rules
   * for the certificates of clients.
   *
   * @returns whether these rules have changed
   */
  replan(): boolean {
    const { name, config } = this.#listener.plan
    const before = this.#contexts
    this.#contexts = before.next(name, config.tls!)
    if (this.#contexts.judgesAs(before)) return false
    const problem = 'a reload has changed the rules for the certificates of clients'
    for (const arrival of this.#arrivals.keys()) arrival.abort({ code: 'SD', problem, alert: undefined })
    return true
  }

  /** The client has said what it wants. @param bytes of the ClientHello, and behind it */
  begin({ stream, peer, since, isDirect }: Entering, hello: ClientHello, bytes: Buffer): void {
    const rest = this.#listener.plan.config.timeouts.handshake - (performance.now() - since)
    const arrival = new TlsArrival(stream, hello, bytes, rest, this)
    this.#arrivals.set(arrival, { peer, since, isDirect, visit: undefined })
    try {
      this.#choose(arrival, hello)
    } catch (error) {
      arrival.refuse({ alert: 'internal_error', code: 'GE', problem: (error as Error).message })
    }
  }

  /** Connections whose handshake is under way. */
  get active(): number {
    return this.#arrivals.size
  }

  /** Ends them all. */
  close(): void {
    for (const arrival of this.#arrivals.keys()) arrival.abort(closing)
  }

  #choose(arrival: TlsArrival, hello: ClientHello): void {
    const { plan } = this.#listener
    const { serverName, alpn: offered } = hello
    const proof = proofFor(hello, plan.snapshot.acme)
    // No policy is asked: the CA connects from anywhere, and gets nothing but the proof.
    if (proof !== undefined) return arrival.secure({ context: proof, alpn: [acme] })
    if (this.#arrivals.get(arrival)!.isDirect && !offered.includes(database)) {
      // As PostgreSQL does: it may be a client of another protocol that a third party has led here.
      const problem = `the client began with TLS before asking for it, and did not offer ${database} (ALPN)`
      return arrival.refuse({ alert: 'no_application_protocol', code: 'DPE', problem })
    }
    const offer = this.#contexts.find(serverName)
    if (typeof offer !== 'string') {
      const protocols = protocolsOf(plan)
      const { clients } = this.#contexts
      return this.#admit(arrival, (visit) => {
        const agreed = protocols ?? visit?.protocols?.filter((one) => offered.includes(one))
        arrival.secure({ ...offer, clients, ...(agreed !== undefined && { alpn: agreed }) })
      })
    }
    arrival.refuse({ alert: 'unrecognized_name', code: 'DPE', problem: offer })
  }

  /** Asks the policies that need no handshake: a refusal by them costs none. */
  #admit(arrival: TlsArrival, secure: (visit: Visit | undefined) => void): void {
    const known = this.#arrivals.get(arrival)!
    const visit = this.#listener.onHello({ ...known.peer, tls: arrival.facts })
    if (visit === undefined) return secure(visit)
    if (typeof visit === 'string') return arrival.refuse({ alert: 'unrecognized_name', code: 'NR', problem: visit })
    known.visit = visit
    visit.askEarly((refusal) => {
      if (refusal === undefined) secure(visit)
      else arrival.refuse({ alert: 'access_denied', ...failureOf(refusal) })
    })
  }

  onSecured(arrival: TlsArrival, stream: ByteStream): void {
    const { peer, visit } = this.#forget(arrival)
    // The CA has seen its proof (RFC 8737 §3).
    if (arrival.facts?.alpn === acme) sayLast(stream, nothing)
    else this.#listener.onSecured(stream, { ...peer, tls: arrival.facts }, visit)
    this.#listener.onArrivalOver()
  }

  onUnverified(arrival: TlsArrival, stream: ByteStream, problem: string): void {
    const id = this.#tell(arrival, { code: 'DPE', problem, alert: undefined })
    this.#listener.onUnverified(stream, problem, id)
  }

  onFailed(arrival: TlsArrival, failure: HandshakeFailure): void {
    this.#tell(arrival, failure)
  }

  #tell(arrival: TlsArrival, failure: HandshakeFailure): string {
    const { peer, since, visit } = this.#forget(arrival)
    const id = recordArrival(this.#listener, this.#tap, { ...peer, tls: arrival.facts }, since, failure)
    visit?.end()
    this.#listener.onArrivalOver()
    return id
  }

  #forget(arrival: TlsArrival): Arriving {
    const known = this.#arrivals.get(arrival)!
    this.#arrivals.delete(arrival)
    return known
  }
}

/** What a client may choose from (ALPN). L4 clients may speak anything: only what their route asks for is agreed on. */
function protocolsOf({ layer, config }: HttpPlan | TcpPlan): string[] | undefined {
  if (config.tls!.starttls === 'postgres') return [database]
  if (layer !== 'L7') return undefined
  return alpn.filter(([version]) => config.http.includes(version)).map(([, name]) => name)
}

function proofFor({ serverName, alpn }: ClientHello, issued: IssuedCertificates): SecureContext | undefined {
  if (serverName === undefined || alpn.length !== 1 || alpn[0] !== acme) return undefined
  const proof = issued.proof(serverName)
  return proof && newServerContext([proof], { minVersion: '1.2', tickets: false, sessionIdContext: '' })
}

/** The refusal of a policy, as the record of the handshake shows it. */
function failureOf({ result, policy }: Refusal): Omit<HandshakeFailure, 'alert'> {
  if (result instanceof PosternError) return { code: result.code, problem: result.message, plugin: policy?.plugin }
  const { name, plugin } = policy!
  const problem = `policy "${name}" refuses the connection${result.reason === '' ? '' : `: ${result.reason}`}`
  return result.status === 429 ? { code: 'RL', problem } : { code: 'PD', problem, plugin }
}
