import { createServer, type Server } from 'node:net'
import type { ClientTimeouts } from '../config/types.ts'
import { asPosternError, PosternError } from '../errors.ts'
import { Admission } from '../flow/admission.ts'
import { flowId } from '../flow/flow-id.ts'
import { problemOf } from '../flow/local-reply.ts'
import { RequestFlow } from '../flow/request.ts'
import type { Refusal, Visit } from '../flow/visit.ts'
import type { Begun, Exchange, HalfClose, HttpConnection, HttpSession, ServerHandler } from '../http/exchange.ts'
import { Fields } from '../http/fields.ts'
import type { Malformed } from '../http/malformed.ts'
import { refusedPath } from '../http/refused-path.ts'
import { encodeResponseHead } from '../http1/encode-head.ts'
import { ServerConnection } from '../http1/server-connection.ts'
import { Http2ServerConnection } from '../http2/server-connection.ts'
import { acceptStreams } from '../net/accept.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { ConnectionAge } from '../net/connection-age.ts'
import { sayLast } from '../net/last-words.ts'
import type { Peer } from '../net/peer.ts'
import type { HttpPlan } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import type { TicketKeys } from '../tls/ticket-keys.ts'
import { bind, keepListener } from './bind.ts'
import { type EnteredListener, Entrance } from './entrance.ts'
import type { BoundHandle, Listener } from './listener.ts'
import { PrefacePeek } from './preface-peek.ts'

/** Most connections beyond `maxConnections` that are answered in a second. */
const mostAnswered = 100

/** Accepts HTTP connections and gives each request to a flow, under the plan that is active when it arrives. */
export class HttpListener implements Listener, ServerHandler, EnteredListener {
  plan: HttpPlan
  /** Requests under way. */
  #requests = 0
  /** Connections that were in their handshake when the drain began: each may still send one request. */
  #awaited = 0
  readonly #tap: Tap
  readonly #server: Server
  readonly #entrance: Entrance
  readonly #sessions = new Set<HttpSession>()
  #port = 0
  #draining = false
  #onEmpty: (() => void) | undefined
  #isSettling = false
  /** Connections beyond the limit in this second of `performance`. */
  #crowded = 0
  #crowdedSecond = 0

  constructor(plan: HttpPlan, tap: Tap, tickets: TicketKeys) {
    this.plan = plan
    this.#tap = tap
    this.#server = createServer({ allowHalfOpen: true, noDelay: true })
    this.#entrance = new Entrance(this, tap, tickets)
  }

  get active(): number {
    return this.#requests + this.#awaited + this.#entrance.active
  }

  get timeouts(): ClientTimeouts {
    return this.plan.config.timeouts
  }

  get halfClose(): HalfClose {
    return this.plan.config.halfClose
  }

  onClear(stream: ByteStream, peer: Peer): undefined {
    const admission = this.#admissionOf(peer)
    this.#serve(stream, peer, admission)
    admission?.ask(0)
  }

  onHello(peer: Peer): Admission | undefined {
    return this.#admissionOf(peer)
  }

  onSecured(stream: ByteStream, peer: Peer, admission: Visit | undefined): void {
    this.#serve(stream, peer, admission as Admission | undefined)
    ;(admission as Admission | undefined)?.secured(peer)
  }

  #admissionOf(peer: Peer): Admission | undefined {
    const { onConnect, onDisconnect } = this.plan.admission.steps
    return onConnect.length + onDisconnect.length === 0 ? undefined : new Admission(peer, this.plan, this.#tap)
  }

  /** A connection that speaks HTTP from now on. */
  #serve(stream: ByteStream, peer: Peer, admission: Admission | undefined): void {
    const age = new ConnectionAge()
    const state = { isAwaited: this.#draining, isMistaken: false, pools: undefined }
    const connection: Connection = { peer, admission, age, requests: 0, ...state }
    if (this.#draining) this.#awaited++
    const { http } = this.plan.config
    const alpn = peer.tls?.alpn
    // A client over TLS that does not ask is one of HTTP/1.1, unless the listener has no such version.
    const isAsked = peer.tls === undefined ? http.includes('2') : alpn === undefined && !http.includes('1.1')
    if (isAsked) this.#begin(new PrefacePeek(stream, connection, this))
    else this.#begin(this.#sessionOf(stream, connection, alpn === 'h2'))
  }

  #sessionOf(stream: ByteStream, connection: Connection, isHttp2: boolean): HttpSession {
    if (isHttp2) return new Http2ServerConnection(stream, connection, this)
    // Its first request is answered in words, as are the bytes of any other protocol.
    connection.isMistaken = connection.peer.tls?.alpn === undefined && !this.plan.config.http.includes('1.1')
    return new ServerConnection(stream, connection, this)
  }

  #begin(session: HttpSession): void {
    if (this.plan.snapshot.leaving || this.#draining) session.makeLast()
    this.#sessions.add(session)
  }

  onPreface(peek: PrefacePeek, isHttp2: boolean): void {
    this.#sessions.delete(peek)
    this.#begin(this.#sessionOf(peek.stream, peek.connection as Connection, isHttp2))
  }

  replan(plan: HttpPlan): void {
    this.plan = plan
    keepListener(this.#server, plan)
    // A client that the new rules do not accept would go on for as long as it sends requests.
    if (this.#entrance.replan()) for (const session of this.#sessions) session.drain()
  }

  onRequest(exchange: Exchange): void {
    const connection = exchange.connection as Connection
    const { admission } = connection
    this.#requests++
    this.#arrived(connection)
    connection.requests++
    if (this.#isWorn(connection)) exchange.makeLast()
    const flow = new RequestFlow(exchange, this.plan, this.#tap)
    exchange.owner = flow
    // A CA that has challenged the gateway connects from anywhere: no policy is asked, as for its handshakes.
    const isChallenge = this.plan.snapshot.acme.answer(exchange.rawTarget) !== undefined
    if (isChallenge) this.#start(exchange, flow, undefined)
    else if (connection.isMistaken) this.#start(exchange, flow, { result: mistake(exchange), policy: undefined })
    else if (admission === undefined) this.#start(exchange, flow, undefined)
    else admission.whenDecided(() => this.#start(exchange, flow, admission.refusal))
  }

  /** Whether `limits` of the listener allow no other request. */
  #isWorn({ requests, age }: Connection): boolean {
    const { limits } = this.plan.config
    if (limits === undefined) return false
    const { requestsPerConnection: most = Number.POSITIVE_INFINITY, connectionAge = Number.POSITIVE_INFINITY } = limits
    return requests >= most || age.isOver(connectionAge)
  }

  #start(exchange: Exchange, flow: RequestFlow, refusal: Refusal | undefined): void {
    try {
      if (refusal === undefined) return flow.start()
      exchange.makeLast()
      flow.answer(refusal.result, refusal.policy)
    } catch (error) {
      flow.fail(asPosternError(error))
    }
  }

  onOver(): void {
    this.#requests--
    this.onArrivalOver()
  }

  onArrivalOver(): void {
    if (this.#onEmpty !== undefined && this.active === 0) this.#settle()
  }

  /** Looks, once in a turn of the loop, whether the drain is over. */
  #settle(): void {
    if (this.#isSettling) return
    this.#isSettling = true
    setImmediate(() => {
      this.#isSettling = false
      if (this.active > 0) return
      for (const { isLeaving } of this.#sessions) if (isLeaving) return
      this.#onEmpty?.()
    })
  }

  /** The first request of a connection, or its end. */
  #arrived(connection: Connection): void {
    if (connection.isAwaited) this.#awaited--
    connection.isAwaited = false
  }

  get connections(): number {
    return this.#sessions.size
  }

  /** Whatever version it speaks: a client of HTTP/2 sees an end before the preface of the gateway. */
  onCrowded(stream: ByteStream, id: string): void {
    const second = Math.floor(performance.now() / 1000)
    if (second !== this.#crowdedSecond) this.#crowded = 0
    this.#crowdedSecond = second
    // One that is answered is open for up to two seconds more.
    if (++this.#crowded > mostAnswered) return stream.reset()
    const detail = 'This port has as many connections as it may have. Try again later.'
    sayLast(stream, words(new PosternError('OM', detail, { detail }), id))
  }

  /** A client that speaks HTTP in clear understands an answer in clear. */
  onPlain(stream: ByteStream, first: Buffer, id: string): void {
    if (!/^[A-Z]/.test(first.toString('latin1', 0, 1))) stream.destroy()
    else sayLast(stream, words(malformed('This port speaks TLS: use https:// instead of http://.'), id))
  }

  onUnverified(stream: ByteStream, problem: string, id: string): void {
    sayLast(stream, words(malformed(`${problem[0]!.toUpperCase()}${problem.slice(1)}.`), id), true)
  }

  onCrash(exchange: Exchange, error: unknown): void {
    ;(exchange.owner as RequestFlow).fail(asPosternError(error))
  }

  onMalformed(session: HttpSession, { problem, status, detail }: Malformed, begun: Begun | undefined): void {
    const error = new PosternError('DPE', problem, { status, ...(detail !== undefined && { detail }) })
    const id = flowId()
    const reply = problemOf(error, id)
    const fields = new Fields([...reply.headers.flat(), 'x-request-id', id])
    session.refuse(reply.status, fields, Buffer.from(reply.body))
    const client = session.connection.peer.address
    const path = begun && refusedPath(begun.target)
    const { name: listener } = this.plan
    this.#tap.tell({ kind: 'malformed', id, listener, client, method: begun?.method, path, error })
  }

  onClose(session: HttpSession): void {
    this.#sessions.delete(session)
    this.#leave(session)
    this.#arrived(session.connection as Connection)
    this.onArrivalOver()
  }

  #leave({ connection }: HttpSession): void {
    ;(connection as Connection).admission?.end()
    for (const [owner, pool] of connection.pools ?? []) owner.closePool(pool)
  }

  async open(socket?: BoundHandle): Promise<void> {
    this.#port = await bind(this.#server, this.plan, socket)
    acceptStreams(
      this.#server,
      (stream) => this.#entrance.accept(stream),
      () => this.plan.config.keepAlive,
    )
    keepListener(this.#server, this.plan)
  }

  get port(): number {
    return this.#port
  }

  leave(): void {
    for (const session of this.#sessions) session.makeLast()
  }

  drain(): Promise<void> {
    this.#draining = true
    this.#server.close()
    return new Promise((resolve) => {
      const drain = (): void => {
        for (const session of this.#sessions) session.drain()
        this.#entrance.close(false)
        this.#onEmpty = resolve
        this.onArrivalOver()
      }
      // Requests that have arrived are read in the next turn of the loop.
      setImmediate(() => setImmediate(drain))
    })
  }

  close(): void {
    this.#draining = true
    this.#server.close()
    this.#entrance.close(true)
    for (const session of this.#sessions) {
      session.abort()
      // Not left to `onClose`: it is called later, when the sandbox is closed and accepts no calls.
      this.#leave(session)
    }
  }
}

function malformed(detail: string): PosternError {
  return new PosternError('DPE', detail, { detail })
}

/** A whole answer of the gateway that is no answer to a request. */
function words(error: PosternError, id: string): Buffer {
  const { status, headers, body: text } = problemOf(error, id)
  const body = Buffer.from(text)
  const fields = new Fields([...headers.flat(), 'x-request-id', id])
  const head = encodeResponseHead(status, '', fields, body.length, body.length, 'close')
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

/** Why a request over HTTP/1.1 is refused where `http` names HTTP/2 alone. */
function mistake({ version, connection }: Exchange): PosternError {
  const how = connection.peer.tls === undefined ? ', with prior knowledge' : ''
  return new PosternError('DPE', `the client speaks HTTP/${version}, and this port HTTP/2 alone`, {
    detail: `This port speaks HTTP/2 alone${how}.`,
  })
}

interface Connection extends HttpConnection {
  /** Set when a policy of the listener has `onConnect` or `onDisconnect`. */
  readonly admission: Admission | undefined
  readonly age: ConnectionAge
  /** Requests that have begun on it. */
  requests: number
  /** It counts as active until its first request. */
  isAwaited: boolean
  /** It carries HTTP/1.1 to a listener of HTTP/2 alone. */
  isMistaken: boolean
}
