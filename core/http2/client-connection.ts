// The global of the same name is a getter.
import { performance } from 'node:perf_hooks'
import { PosternError } from '../errors.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { ConnectionAge } from '../net/connection-age.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import { refusalOf } from '../net/tls-alert.ts'
import type { ClientExchange } from './client-exchange.ts'
import { ClientStream } from './client-stream.ts'
import { Http2Connection } from './connection.ts'
import type { Http2Pool } from './connection-pool.ts'
import { ErrorCode } from './frames.ts'
import { asksForTunnel, requestList } from './request-list.ts'
import type { Http2Stream } from './stream.ts'

/** The limits of a session, ms; read whenever they matter. */
export interface SessionLimits {
  /** How long it stays open without streams. */
  readonly idle: number
  /** Silence of all its streams after which it is asked by PING whether it still lives. */
  readonly silence: number
  /** How long the answer to a PING may take. */
  readonly ping: number
  /** Age from which it takes no more streams. */
  readonly maxAge: number
}

export const sessionLimits: SessionLimits = {
  idle: 60_000,
  silence: 10_000,
  ping: 5000,
  maxAge: Number.POSITIVE_INFINITY,
}

/**
 * How the silences between PINGs grow while the streams say nothing. Servers of gRPC take more than two PINGs within five
 * minutes for an attack, unless they have sent something between them.
 */
const factors = [1, 2, 6, 30] as const

/** Longest silence of a proven session, ms. */
const provenLimit = 1000

/** A backend does not take tunnels, as its SETTINGS say: nothing of the request has been sent. */
export class NoTunnel extends PosternError {}

/** How long a session that is over may take to send what is unsent, ms. */
const lastLimit = 1000

const HTTP1 = Buffer.from('HTTP/1.', 'latin1')

/**
 * A session with a backend: many exchanges at a time, each on its stream. It is the pool's until it takes no more streams;
 * then it closes when its last one ends.
 */
export class Http2ClientConnection extends Http2Connection {
  readonly #pool: Http2Pool
  readonly #timer = new WheelTimer(this)
  /** Exchanges that are going to begin on it. */
  promised = 0
  /** Requests that it has carried. */
  uses = 0
  /** When bytes came last, by `performance.now`; 0: none has come. */
  #heardAt = 0
  /** Streams that the backend was seen to take when it refused one; it may allow more. */
  #cap = Number.POSITIVE_INFINITY
  #isLeaving = false
  /** A part of a response has come on it. */
  hasAnswered = false
  #awaitsPong = false
  /** Those that ask for a tunnel, and wait for the first SETTINGS of the backend. */
  #early: ClientExchange[] | undefined
  /** Index of `factors`. */
  #silence = 0
  readonly #limits: SessionLimits
  readonly #age = new ConnectionAge()
  #over = false
  /** Why it failed, if the session knows better than the connection. */
  #problem: PosternError | undefined

  /** @param stream as `connectTo` passes it to `done` */
  constructor(stream: ByteStream, pool: Http2Pool, limits: SessionLimits) {
    super(stream, false)
    this.#pool = pool
    this.#limits = limits
    this.#timer.arm(limits.idle)
    this.start()
  }

  get #limit(): number {
    return Math.min(this.#cap, this.hasSettings ? this.peer.maxConcurrentStreams : this.#pool.streams)
  }

  get #mayBegin(): boolean {
    return this.isOpen && this.canOpen && !this.#over
  }

  /** Whether it takes another stream. */
  get hasRoom(): boolean {
    return this.#mayBegin && !this.#isLeaving && this.active + this.promised < this.#limit
  }

  /** Whether the backend allows no stream at all. */
  get isBlocked(): boolean {
    return this.#mayBegin && this.hasSettings && this.peer.maxConcurrentStreams === 0
  }

  /** Whether it is unlikely to be dead: see `Reuse`. */
  get isProven(): boolean {
    return this.uses >= 2 && performance.now() - this.#heardAt < provenLimit
  }

  /** Sends a request, for which its place was promised. */
  begin(exchange: ClientExchange): void {
    this.promised--
    if (exchange.over) return this.#settle()
    // It may have ended since it was chosen. Nothing of the request has been sent: another one is safe.
    if (!this.#mayBegin) return this.#pool.again(exchange)
    const { request } = exchange
    const isTunnel = asksForTunnel(request)
    if (isTunnel && !this.#mayTunnel(exchange)) return this.#settle()
    exchange.list ??= requestList(request, this.transport.isTls)
    const isIdle = this.active === 0
    const stream = new ClientStream(this, exchange)
    this.uses++
    stream.sendHead(exchange.list, true)
    if (!request.hasBody && !isTunnel) stream.sendEnd()
    if (isIdle) this.#wake()
    if (this.#age.isOver(this.#limits.maxAge)) this.#leave()
    exchange.begun(stream)
  }

  /** RFC 8441 §3: whether the backend takes an extended CONNECT, which its first SETTINGS say. */
  #mayTunnel(exchange: ClientExchange): boolean {
    if (this.hasSettings) {
      if (this.peer.enableConnectProtocol) return true
      exchange.fail(new NoTunnel('UPE', 'the backend takes no upgrades over HTTP/2 (RFC 8441)'))
      return false
    }
    this.#early ??= []
    this.#early.push(exchange)
    exchange.wait()
    return false
  }

  /** A stream begins on a session without any. */
  #wake(): void {
    this.#silence = 0
    if (this.#awaitsPong) return
    // After a long time it is not known whether the other end is still there.
    if (this.#heardAt > 0 && performance.now() - this.#heardAt > this.#limits.silence) this.#ask()
    else this.#timer.arm(this.#limits.silence)
  }

  // ── the backend ────────────────────────────────────────────────────────────────────────────────────────────────────

  override onBytes(bytes: Buffer, borrowed: boolean): boolean {
    if (this.#heardAt === 0 && bytes.subarray(0, HTTP1.length).equals(HTTP1)) {
      this.#problem = new PosternError('UPE', 'the backend speaks HTTP/1.1, not HTTP/2')
    }
    this.#heardAt = performance.now()
    return super.onBytes(bytes, borrowed)
  }

  /**
   * A response has come whole: what is left of its request is of no use to the backend (RFC 9113 §8.1), though the owner may not
   * have been told of its end, while it pauses.
   */
  override endedByPeer(stream: Http2Stream): void {
    super.endedByPeer(stream)
    const isTunnel = (stream as ClientStream).exchange.request.upgrade !== undefined
    if (stream.isOpen && !isTunnel) this.resetStream(stream, ErrorCode.CANCEL)
  }

  /** A response that has come whole is complete, whatever the code (RFC 9113 §8.1): only the rest of the request is dropped. */
  override resetByPeer(stream: Http2Stream, code: ErrorCode): void {
    if (stream.hasEnded && !(stream as ClientStream).isTunnel) this.ended(stream)
    else super.resetByPeer(stream, code)
  }

  protected open(): ErrorCode {
    return ErrorCode.PROTOCOL_ERROR
  }

  protected onSettings(): void {
    const early = this.#early ?? []
    this.#early = undefined
    for (const exchange of early) if (!exchange.over) exchange.use(this)
    if (this.#isLeaving) return
    this.#pool.learn(this, this.peer.maxConcurrentStreams)
  }

  protected onGoaway(): void {
    this.#leave()
    this.#settle()
  }

  /** A stream has not been processed: refused, or above the last one of a GOAWAY. */
  refused(exchange: ClientExchange, cause: Error | undefined): void {
    if (this.canOpen) this.#cap = Math.max(1, Math.min(this.#cap, this.active))
    const why = cause?.message ?? (this.canOpen ? 'REFUSED_STREAM' : 'GOAWAY')
    exchange.unprocessed(this, new PosternError('UR', `the backend did not process the request: ${why}`))
  }

  protected override onStreamClosed(): void {
    this.#settle()
  }

  /** A stream has ended, or its place is free. */
  #settle(): void {
    if (this.#over) return
    if (this.active + this.promised > 0) return this.#isLeaving ? undefined : this.#pool.serve(this)
    if (this.#isLeaving) return this.close()
    if (!this.#awaitsPong) this.#timer.arm(this.#limits.idle)
    this.#pool.serve(this)
  }

  /** Takes no more streams, and closes when the last one ends. */
  drain(): void {
    this.#leave()
    this.#settle()
  }

  #leave(): void {
    this.#isLeaving = true
    this.#pool.remove(this)
  }

  // ── silence ────────────────────────────────────────────────────────────────────────────────────────────────────────

  onTimeout(): void {
    if (this.#over) return this.transport.destroy()
    if (this.#awaitsPong) {
      this.#problem = new PosternError('UR', `the backend did not answer a PING within ${this.#limits.ping} ms`)
      return this.fail(ErrorCode.NO_ERROR, 'no answer to PING')
    }
    if (this.active + this.promised === 0) return this.drain()
    const rest = this.#nextSilence - (performance.now() - this.#heardAt)
    if (rest > 0) this.#timer.arm(rest)
    else this.#ask()
  }

  get #nextSilence(): number {
    return this.#limits.silence * factors[this.#silence]!
  }

  #ask(): void {
    this.#awaitsPong = true
    this.#timer.arm(this.#limits.ping)
    this.ping(() => {
      this.#awaitsPong = false
      if (this.#silence < factors.length - 1) this.#silence++
      this.#timer.arm(this.active + this.promised === 0 ? this.#limits.idle : this.#nextSilence)
    })
  }

  /** A stream has brought a part of its response. */
  heard(): void {
    this.#silence = 0
    this.hasAnswered = true
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected onOver(): void {
    this.#over = true
    this.#pool.remove(this)
    const early = this.#early ?? []
    this.#early = undefined
    for (const exchange of early) this.failOver(exchange, false, 'before its SETTINGS', undefined)
    this.#timer.arm(lastLimit)
  }

  protected override onClosed(): void {
    this.#timer.disarm()
  }

  /**
   * Fails an exchange because the session has ended.
   *
   * @param isStale the session had been in use before, and nothing of this response has come
   */
  failOver(exchange: ClientExchange, isStale: boolean, where: string, cause: NodeJS.ErrnoException | undefined): void {
    const refusal = this.#heardAt === 0 ? refusalOf(cause) : undefined
    if (refusal !== undefined) return exchange.fail(new PosternError('UF', refusal, { cause }))
    const error = this.#problem ?? errorOf(where, cause)
    exchange.fail(error, isStale ? 'stale' : undefined)
  }
}

function errorOf(where: string, cause: NodeJS.ErrnoException | undefined): PosternError {
  if (cause === undefined) return new PosternError('UC', `the backend closed the connection ${where}`)
  if (cause.code === undefined) return new PosternError('UPE', `the backend broke HTTP/2 ${where}: ${cause.message}`)
  return new PosternError('UR', `the connection to the backend failed ${where}: ${cause.code}`, { cause })
}
