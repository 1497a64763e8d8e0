import type { OutcomeCode } from '../errors.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { shareOf } from '../net/host-share.ts'
import { sayLast } from '../net/last-words.ts'
import { normalizeIp, type Peer, peerBehind, peerOf } from '../net/peer.ts'
import { ProxyHeaderReader } from '../net/proxy-header.ts'
import { unixPath } from '../net/unix-address.ts'
import type { Tap } from '../telemetry/tap.ts'
import { alertRecord, type OwnAlert } from '../tls/alerts.ts'
import { ClientHelloReader } from '../tls/client-hello.ts'
import { requestOf } from '../tls/postgres.ts'
import { type Encryption, EncryptionRequestReader, errorResponse } from '../tls/postgres-request.ts'
import type { TicketKeys } from '../tls/ticket-keys.ts'
import { factsOfHello } from '../tls/tls-facts.ts'
import { recordArrival } from './arrival-record.ts'
import { Peek, type PeekReader } from './peek.ts'
import { closing, type SecuredListener, TlsEntrance } from './tls.ts'

/** A listener, as connections see it before their flow. */
export interface EnteredListener extends SecuredListener {
  /** Connections that have passed. */
  readonly connections: number
  /** The listener has as many connections as it may have. @param stream not started; to be ended */
  onCrowded(stream: ByteStream, id: string): void
  /**
   * A connection with which the gateway does no handshake.
   *
   * @param stream not started
   * @returns why it is refused, and is to be ended
   */
  onClear(stream: ByteStream, peer: Peer): string | undefined
}

/** A connection on its way from accept to its flow. */
interface Entering {
  readonly stream: ByteStream
  readonly peer: Peer
  /** When it was accepted, by `performance.now`: the time limit is for all steps together. */
  readonly since: number
  readonly isDirect: boolean
}

/** Why a client got no further, for the record. */
interface Ends {
  readonly left: string
  readonly late: string
  /** The time is told of also when the client has sent nothing: it may wait for the server, as those of many protocols do. */
  readonly isTold?: true
}

const headerEnds: Ends = {
  left: 'the peer left before its PROXY protocol header was complete',
  late: 'the peer did not send a PROXY protocol header in time',
  isTold: true,
}

const handshakeEnds: Ends = {
  left: 'the client left during the TLS handshake',
  late: 'the TLS handshake timed out',
}
const helloEnds: Ends = {
  left: 'the client left during its ClientHello',
  late: 'the client did not send a whole ClientHello in time, and routes of this listener need it',
  isTold: true,
}
const requestEnds: Ends = {
  left: 'the client left before the TLS handshake',
  late: 'the client did not ask for TLS in time',
}

/**
 * What each connection of a listener passes through before its flow, from top to bottom. The plan says which steps there are:
 * a listener without any waits for no byte.
 */
export class Entrance {
  readonly #listener: EnteredListener
  readonly #tap: Tap
  readonly #tls: TlsEntrance | undefined
  readonly #peeks = new Map<Peek<unknown>, Entering>()

  constructor(listener: EnteredListener, tap: Tap, tickets: TicketKeys) {
    this.#listener = listener
    this.#tap = tap
    this.#tls = listener.plan.config.tls === undefined ? undefined : new TlsEntrance(listener, tap, tickets)
  }

  // ── the steps ──────────────────────────────────────────────────────────────────────────────────────────────────────

  accept(stream: ByteStream): void {
    const { plan, port } = this.#listener
    // Asked for only where it is told to backends: a call of the system.
    const local = plan.snapshot.namesClients ? normalizeIp(stream.local()?.address ?? '') : undefined
    const peer = peerOf(stream, port, local)
    // It was reset before it was accepted. Only a client of a Unix socket has no address, and `unix` may be trusted.
    if (peer.address === '' && unixPath(plan.config.address) === undefined) return stream.destroy()
    const one = { stream, peer, since: performance.now(), isDirect: false }
    const { maxConnections } = plan.config
    if (maxConnections !== undefined && this.#connections >= shareOf(maxConnections)) this.#crowded(one, maxConnections)
    else this.#proxyHeader(one)
  }

  #crowded(one: Entering, most: number): void {
    const problem = `the listener has as many connections as it may have: ${shareOf(most)} in this worker, of "maxConnections": ${most}`
    const id = this.#refused(one, 'OM', problem)
    if (this.#tls === undefined) this.#listener.onCrowded(one.stream, id)
    else one.stream.reset()
  }

  get #connections(): number {
    return this.#listener.connections + this.#peeks.size + (this.#tls?.active ?? 0)
  }

  /** A proxy names the client in front of all that the client says. */
  #proxyHeader(one: Entering): void {
    const { proxies, config } = this.#listener.plan
    if (proxies === undefined) return this.#encryptionRequest(one)
    if (!proxies.has(one.peer.address)) {
      if (config.proxyProtocol?.required === false) return this.#encryptionRequest(one)
      return this.#reset(
        one,
        'the peer is not among those that "proxyProtocol" of this listener takes connections from',
      )
    }
    this.#peek(one, new ProxyHeaderReader(), headerEnds, (header) => {
      if ('problem' in header) this.#reset(one, header.problem)
      else if (header.ends?.transport === 'datagram')
        this.#reset(one, 'the PROXY protocol header is about datagrams, and this is a connection')
      else this.#encryptionRequest({ ...one, peer: peerBehind(one.peer, header) })
    })
  }

  /** PostgreSQL: TLS begins after the client has asked for it. */
  #encryptionRequest(one: Entering): void {
    if (this.#listener.plan.config.tls?.starttls !== 'postgres') return this.#hello(one)
    const reader = new EncryptionRequestReader((bytes) => one.stream.write(bytes))
    this.#peek(one, reader, requestEnds, (request) => this.#encrypted(one, request))
  }

  #encrypted(one: Entering, request: Encryption): void {
    const { stream } = one
    if (request === 'tls') return this.#hello(one)
    if (request === 'direct') return this.#hello({ ...one, isDirect: true })
    if (request !== 'clear') {
      stream.reset()
      this.#refused(one, 'DPE', request.problem)
    } else if (this.#listener.plan.config.tls?.plain === true) this.#clear(one)
    else {
      sayLast(stream, errorResponse('28000', 'this port takes only TLS: set sslmode=require or a stricter one'))
      this.#refused(one, 'DPE', 'the client did not ask for TLS')
    }
  }

  /** The ClientHello is read before OpenSSL is asked, so that all that depends on it is known; TLS that is passed on needs no more. */
  #hello(one: Entering): void {
    const tls = this.#tls
    if (tls === undefined) return this.#helloOfRoutes(one)
    const reader = new ClientHelloReader()
    this.#peek(one, reader, handshakeEnds, (hello) => {
      if (!('problem' in hello)) tls.begin(one, hello, reader.bytes)
      else if (hello.alert !== undefined) this.#refuse(one, hello.alert, 'DPE', hello.problem)
      else this.#plain(one, reader.bytes)
    })
  }

  #helloOfRoutes(one: Entering): void {
    const { plan } = this.#listener
    if (plan.layer === 'L7' || !plan.routes.needsHello) return this.#clear(one)
    const reader = new ClientHelloReader(true)
    this.#peek(one, reader, helloEnds, (hello) => {
      if (!('problem' in hello)) this.#clear({ ...one, peer: { ...one.peer, tls: factsOfHello(hello) } })
      else if (hello.alert !== undefined) this.#refuse(one, hello.alert, 'DPE', hello.problem)
      else if (requestOf(reader.bytes) === 'tls')
        this.#clear(one, ', which asks for TLS as PostgreSQL has it; only sslnegotiation=direct says a name first')
      else this.#clear(one, ', which does not speak TLS')
    })
  }

  #clear(one: Entering, what: string = ''): void {
    const problem = this.#listener.onClear(one.stream, one.peer)
    if (problem === undefined) return
    if (one.peer.tls !== undefined) return this.#refuse(one, 'unrecognized_name', 'NR', problem)
    one.stream.reset()
    this.#refused(one, 'NR', `${problem}${what}`)
  }

  #refuse(one: Entering, alert: OwnAlert, code: OutcomeCode, problem: string): void {
    sayLast(one.stream, alertRecord(alert))
    this.#refused(one, code, problem, alert)
  }

  #plain(one: Entering, first: Buffer): void {
    const id = this.#refused(one, 'DPE', 'the client does not speak TLS, and this port does')
    this.#listener.onPlain(one.stream, first, id)
  }

  // ── what they share ────────────────────────────────────────────────────────────────────────────────────────────────

  #peek<R>(one: Entering, reader: PeekReader<R>, ends: Ends, onPeeked: (result: R) => void): void {
    const { layer, config } = this.#listener.plan
    const { handshake, head } = config.timeouts
    const limit = layer === 'L7' && this.#tls === undefined ? head : handshake
    const peek = new Peek<R>(one.stream, limit - (performance.now() - one.since), reader, {
      onPeeked: (result) => {
        this.#peeks.delete(peek)
        onPeeked(result)
      },
      onGone: (isLate) => {
        this.#peeks.delete(peek)
        // A client that has not sent a byte is most likely the probe of a load balancer.
        if (isLate && (peek.hasSpoken || ends.isTold === true)) this.#refused(one, 'CI', ends.late)
        else if (peek.hasSpoken) this.#refused(one, 'DC', ends.left)
      },
    })
    this.#peeks.set(peek, one)
  }

  #reset(one: Entering, problem: string): void {
    one.stream.reset()
    this.#refused(one, 'DPE', problem)
  }

  /** @returns the identifier of the record */
  #refused({ peer, since }: Entering, code: OutcomeCode, problem: string, alert?: OwnAlert): string {
    return recordArrival(this.#listener, this.#tap, peer, since, { code, problem, alert })
  }

  // ── for the listener ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Connections whose handshake is under way. */
  get active(): number {
    return this.#tls?.active ?? 0
  }

  /** The plan has changed. @returns whether the rules for the certificates of clients have */
  replan(): boolean {
    return this.#tls?.replan() ?? false
  }

  /** Ends those that have not said what they want, or all. */
  close(all: boolean): void {
    for (const [peek, one] of this.#peeks) {
      peek.abort()
      if (peek.hasSpoken) this.#refused(one, closing.code, closing.problem)
    }
    this.#peeks.clear()
    if (all) this.#tls?.close()
  }
}
