import { PosternError } from '../errors.ts'
import type { UpstreamOwner, UpstreamPool, UpstreamRequest } from '../http/upstream-exchange.ts'
import { type Address, connectTo } from '../net/connect.ts'
import { Http2ClientConnection, type SessionLimits, sessionLimits } from './client-connection.ts'
import { ClientExchange } from './client-exchange.ts'

/** Streams that a backend is taken to allow at once before it has said so (RFC 9113 §6.5.2). */
const assumedStreams = 100

/** How often the pool sends a request that the backend did not process, before it leaves that to the owner. */
const maxRefusals = 5

/** A session that is being opened. */
interface Opening {
  /** The request for which it is opened; it comes before those that wait. */
  readonly first: ClientExchange | undefined
  cancel(): void
}

/**
 * The sessions with one backend. A request goes to the first session that has room for its stream; another session is opened
 * only when those that wait are more than the sessions that are being opened can take.
 */
export class Http2Pool implements UpstreamPool {
  readonly backend: Address
  readonly #connectTo: typeof connectTo
  readonly #limits: SessionLimits
  /** Those that take new streams; one that drains is no longer among them. */
  readonly #sessions: Http2ClientConnection[] = []
  readonly #opening = new Set<Opening>()
  readonly #waiting = new Set<ClientExchange>()
  /** Streams that a session is taken to allow before it has said so: at most what the backend said last. */
  streams: number = assumedStreams
  #closed = false

  /** @param connect opens a connection. Default: plain TCP; one for TLS calls back when the handshake is complete. */
  constructor(backend: Address, connect: typeof connectTo = connectTo, limits: SessionLimits = sessionLimits) {
    this.backend = backend
    this.#connectTo = connect
    this.#limits = limits
  }

  /** Sessions that take new streams. */
  get sessions(): number {
    return this.#sessions.length
  }

  send(request: UpstreamRequest, connectTimeout: number, owner: UpstreamOwner): ClientExchange {
    const exchange = new ClientExchange(request, owner, this, connectTimeout)
    if (request.reuse === 'none') this.#open(connectTimeout, exchange)
    else this.#place(exchange)
    return exchange
  }

  #place(exchange: ClientExchange): void {
    const isProven = exchange.request.reuse === 'proven' && exchange.refusals === 0
    for (const session of this.#sessions) {
      if (!session.hasRoom || session === exchange.refusedBy || (isProven && !session.isProven)) continue
      return exchange.use(session)
    }
    // What is opened now is as good for one that asks for a proven session: it has not been idle.
    this.#waiting.add(exchange)
    exchange.wait()
    this.#grow(exchange.connectTimeout)
  }

  /**
   * Sends a request anew.
   *
   * @param error by which the backend said that it did not process it. Default: it has not been sent.
   */
  again(exchange: ClientExchange, error?: PosternError): void {
    if (exchange.over) return
    if (error !== undefined && (exchange.hasWritten || ++exchange.refusals > maxRefusals)) {
      return exchange.fail(error, 'unprocessed')
    }
    if (this.#closed || exchange.request.reuse === 'none') this.#open(exchange.connectTimeout, exchange)
    else this.#place(exchange)
  }

  /** It no longer waits for a session. */
  leave(exchange: ClientExchange): void {
    this.#waiting.delete(exchange)
    if (this.#waiting.size > 0) return
    for (const one of this.#opening) if (one.first === undefined || one.first.over) this.#drop(one)
  }

  #drop(opening: Opening): void {
    this.#opening.delete(opening)
    opening.cancel()
  }

  /** Opens a session if more requests wait than those that are being opened can take. */
  #grow(connectTimeout: number): void {
    // A backend that allows no streams at the moment would allow none on another session.
    if (this.#sessions.some((session) => session.isBlocked)) return
    while (this.#waiting.size > this.#opening.size * this.streams) this.#open(connectTimeout, undefined)
  }

  #growAgain(): void {
    const [next] = this.#waiting
    if (next !== undefined) this.#grow(next.connectTimeout)
  }

  #open(connectTimeout: number, first: ClientExchange | undefined): void {
    const connecting = this.#connectTo(this.backend, connectTimeout, (error, stream) => {
      this.#opening.delete(opening)
      if (stream === undefined) return this.#failed(error ?? new PosternError('GE', 'no connection'), first)
      const session = new Http2ClientConnection(stream, this, this.#limits)
      if (!this.#closed) this.#sessions.push(session)
      if (first !== undefined && !first.over) first.use(session)
      this.serve(session)
      if (this.#closed) session.drain()
    })
    const opening = { first, cancel: (): void => connecting.cancel() }
    this.#opening.add(opening)
  }

  #failed(error: PosternError, first: ClientExchange | undefined): void {
    first?.fail(error)
    if (this.#opening.size > 0) return
    for (const exchange of this.#waiting) {
      this.#waiting.delete(exchange)
      exchange.fail(error)
    }
  }

  /** A session has room, or had it: those that wait get it. */
  serve(session: Http2ClientConnection): void {
    for (const exchange of this.#waiting) {
      if (!session.hasRoom) break
      if (session === exchange.refusedBy) continue
      this.#waiting.delete(exchange)
      exchange.use(session)
    }
    this.#growAgain()
  }

  /** The backend has said how many streams it allows on a session. */
  learn(session: Http2ClientConnection, streams: number): void {
    this.streams = Math.max(1, Math.min(streams, assumedStreams))
    this.serve(session)
  }

  /** A session takes no more streams. */
  remove(session: Http2ClientConnection): void {
    const index = this.#sessions.indexOf(session)
    if (index !== -1) this.#sessions.splice(index, 1)
    this.#growAgain()
  }

  /** Closes the idle sessions; those in use are closed when their last stream ends. */
  close(): void {
    this.#closed = true
    for (const session of this.#sessions.splice(0)) session.drain()
  }
}
