// The global of the same name is a getter.
import { performance } from 'node:perf_hooks'
import { PosternError } from '../errors.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import { refusalOf } from '../net/tls-alert.ts'
import type { ClientExchange } from './client-exchange.ts'
import { ClientStream } from './client-stream.ts'
import { Http2Connection } from './connection.ts'
import type { Http2Pool } from './connection-pool.ts'
import { ErrorCode } from './frames.ts'
import { requestList } from './request-list.ts'

/** Streams that a backend is taken to allow at once before it has said so (RFC 9113 §6.5.2). */
export const assumedStreams = 100

/** How long a session without streams stays open, ms. */
const idleLimit = 60_000

/**
 * Silence after which a session is asked whether it still lives, ms, as long as none of its streams says anything. Servers of
 * gRPC take more than two PINGs within five minutes for an attack, unless they have sent something between them.
 */
const silences = [10_000, 20_000, 60_000, 300_000] as const

/** How long the answer to a PING may take, ms. */
const pingLimit = 5000

/** Longest silence of a proven session, ms. */
const provenLimit = 1000

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
  /** A part of a response has come. */
  #hasAnswered = false
  #awaitsPong = false
  /** Index of `silences`. */
  #silence = 0
  #over = false
  /** Why it failed, if the session knows better than the connection. */
  #problem: PosternError | undefined

  /** @param stream as `connectTo` passes it to `done` */
  constructor(stream: ByteStream, pool: Http2Pool) {
    super(stream, false)
    this.#pool = pool
    this.#timer.arm(idleLimit)
    this.start()
  }

  get #limit(): number {
    return Math.min(this.#cap, this.hasSettings ? this.peer.maxConcurrentStreams : assumedStreams)
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
    if (request.upgrade !== undefined) {
      exchange.fail(new PosternError('UPE', 'the backend takes no upgrades over HTTP/2 (RFC 8441)'))
      return this.#settle()
    }
    exchange.list ??= requestList(request, this.transport.isTls)
    const isIdle = this.active === 0
    const stream = new ClientStream(this, exchange)
    this.uses++
    stream.sendHead(exchange.list, true)
    if (!request.hasBody) stream.sendEnd()
    if (isIdle) this.#wake()
    exchange.begun(stream)
  }

  /** A stream begins on a session without any. */
  #wake(): void {
    this.#silence = 0
    if (this.#awaitsPong) return
    // After a long time it is not known whether the other end is still there.
    if (this.#heardAt > 0 && performance.now() - this.#heardAt > silences[0]) this.#ask()
    else this.#timer.arm(silences[0])
  }

  // ── the backend ────────────────────────────────────────────────────────────────────────────────────────────────────

  override onBytes(bytes: Buffer, borrowed: boolean): boolean {
    if (this.#heardAt === 0 && bytes.subarray(0, HTTP1.length).equals(HTTP1)) {
      this.#problem = new PosternError('UPE', 'the backend speaks HTTP/1.1, not HTTP/2')
    }
    this.#heardAt = performance.now()
    return super.onBytes(bytes, borrowed)
  }

  protected open(): ErrorCode {
    return ErrorCode.PROTOCOL_ERROR
  }

  protected onSettings(): void {
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
    if (!this.#awaitsPong) this.#timer.arm(idleLimit)
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
      this.#problem = new PosternError('UR', `the backend did not answer a PING within ${pingLimit} ms`)
      return this.fail(ErrorCode.NO_ERROR, 'no answer to PING')
    }
    if (this.active + this.promised === 0) return this.drain()
    const rest = silences[this.#silence]! - (performance.now() - this.#heardAt)
    if (rest > 0) this.#timer.arm(rest)
    else this.#ask()
  }

  #ask(): void {
    this.#awaitsPong = true
    this.#timer.arm(pingLimit)
    this.ping(() => {
      this.#awaitsPong = false
      if (this.#silence < silences.length - 1) this.#silence++
      this.#timer.arm(this.active + this.promised === 0 ? idleLimit : silences[this.#silence]!)
    })
  }

  /** A stream has brought a part of its response. */
  heard(): void {
    this.#silence = 0
    this.#hasAnswered = true
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected onOver(): void {
    this.#over = true
    this.#pool.remove(this)
    this.#timer.arm(lastLimit)
  }

  protected override onClosed(): void {
    this.#timer.disarm()
  }

  /**
   * Fails an exchange because the session has ended.
   *
   * @param isUnanswered nothing of its response has come
   */
  failOver(
    exchange: ClientExchange,
    isUnanswered: boolean,
    where: string,
    cause: NodeJS.ErrnoException | undefined,
  ): void {
    const refusal = this.#heardAt === 0 ? refusalOf(cause) : undefined
    if (refusal !== undefined) return exchange.fail(new PosternError('UF', refusal, { cause }))
    const error = this.#problem ?? errorOf(where, cause)
    const isStale = isUnanswered && this.#hasAnswered && error.code !== 'UPE'
    exchange.fail(error, isStale ? 'stale' : undefined)
  }
}

function errorOf(where: string, cause: NodeJS.ErrnoException | undefined): PosternError {
  if (cause === undefined) return new PosternError('UC', `the backend closed the connection ${where}`)
  if (cause.code === undefined) return new PosternError('UPE', `the backend broke HTTP/2 ${where}: ${cause.message}`)
  return new PosternError('UR', `the connection to the backend failed ${where}: ${cause.code}`, { cause })
}
