// The global of the same name is a getter.
import { performance } from 'node:perf_hooks'
import { asPosternError, type OutcomeCode, PosternError } from '../errors.ts'
import { parseLength } from '../http/body-length.ts'
import { CONSUMED } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import type { Fate } from '../http/upstream-exchange.ts'
import { afterRead, type Deferred } from '../net/after-read.ts'
import type { ByteReceiver, ByteStream } from '../net/byte-stream.ts'
import { ConnectionAge } from '../net/connection-age.ts'
import type { Delivery } from '../net/delivery.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import { refusalOf } from '../net/tls-alert.ts'
import type { ClientExchange } from './client-exchange.ts'
import { connectionOptions, isPersistent, promisedIdle, UPGRADE } from './connection-options.ts'
import type { ConnectionPool } from './connection-pool.ts'
import { encodeRequestHead } from './encode-head.ts'
import { CHUNKED, UNTIL_CLOSE } from './framing.ts'
import { MessageWriter } from './message-writer.ts'
import type { ResponseHead } from './parse-head.ts'
import { ResponseReader } from './response-reader.ts'

/** How long a connection stays idle in the pool when the backend sends no `Keep-Alive: timeout`, ms. */
const idleLimit = 4000

/** How much earlier than the backend's own timeout it is closed, ms: a request must not cross the backend's FIN. */
const idleMargin = 1000

/** How long to wait for the answer to `Expect: 100-continue` before the body is sent anyway, ms. */
const expectLimit = 1000

/**
 * A connection to a backend: one exchange at a time. It returns to the pool only when request and response were both
 * complete, no bytes followed the response, and both sides keep the connection open; in every other case it is closed.
 */
export class ClientConnection implements ByteReceiver, Deferred {
  readonly #stream: ByteStream
  readonly #pool: ConnectionPool
  readonly #writer: MessageWriter
  readonly #reader = new ResponseReader()
  readonly #timer = new WheelTimer(this)
  exchange: ClientExchange | undefined
  readonly age: ConnectionAge = new ConnectionAge()
  /** Requests that it has carried. */
  uses = 0
  /** Since when it is idle, by `performance.now`. */
  idleSince = 0
  /** Bytes have arrived since the request was sent. */
  #answered = false
  #headSeen = false
  /** A 101 that came before the end of the request's body. */
  #agreed: ResponseHead | undefined
  #persistent = false
  #awaitsContinue = false
  #idleLimit = idleLimit
  #pumping = false
  #halted = false
  #released = false
  /** The backend has ended its side, or the connection has failed. */
  #ended = false
  /** A write has failed; what the backend sent before it closed the connection is still being read. */
  #writeFailed = false
  /** Why the connection failed. */
  #cause: NodeJS.ErrnoException | undefined
  /** The backend's reset, if a write has failed with it: the system tells of a reset once, so the next read sees an end. */
  #reset: NodeJS.ErrnoException | undefined

  /** @param stream as `connectTo` passes it to `done`. */
  constructor(stream: ByteStream, pool: ConnectionPool) {
    this.#stream = stream
    this.#pool = pool
    this.#writer = new MessageWriter(stream)
    stream.start(this)
  }

  /** Whether an idle connection can carry a request, as far as this side knows. */
  get usable(): boolean {
    return !this.#ended && !this.#writeFailed && this.#stream.isOpen && !this.#stream.hasHeld
  }

  // ── the request ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends the request; a head and a small body leave in one write. */
  begin(exchange: ClientExchange): void {
    this.#timer.disarm()
    if (exchange.over) return this.#keep()
    // The backend may have closed it after it was chosen. No byte of the request has been sent: a new connection is safe.
    if (!this.usable) return exchange.connect()
    const { method, target, fields, hasBody, upgrade } = exchange.request
    const declared = fields.get('content-length')
    const framing = hasBody ? ((declared === undefined ? undefined : parseLength(declared)) ?? CHUNKED) : 0
    this.exchange = exchange
    this.uses++
    this.#answered = false
    this.#headSeen = false
    this.#reader.start()
    const head = encodeRequestHead(method, target, fields, framing, upgrade)
    if (hasBody) this.#writer.begin(head, framing)
    else this.#writer.whole(head, '')
    exchange.sent = !hasBody
    this.#awaitsContinue = hasBody && fields.get('expect')?.toLowerCase() === '100-continue'
    try {
      exchange.owner.onConnected()
      if (exchange.over || exchange.sent) return
      if (this.#awaitsContinue) this.#timer.arm(expectLimit)
      else exchange.owner.onBodyWanted()
    } catch (error) {
      this.#fail(asPosternError(error))
    }
  }

  write(chunk: Uint8Array): boolean {
    return this.#writeFailed || this.#writer.write(chunk)
  }

  get isFlushed(): boolean {
    return this.#writer.isFlushed
  }

  delivery(done: (delivery: Delivery) => void): void {
    this.#stream.delivery(done)
  }

  end(trailers: Fields | undefined): void {
    if (this.#writeFailed) return
    if (this.#writer.end(trailers)) {
      if (this.#agreed !== undefined) afterRead(this)
      return
    }
    // Only a fault of the gateway can cause this: a client's body that ends early fails on the server side.
    const error = new PosternError('GE', "the length of the request's body differs from its Content-Length")
    process.nextTick(() => this.#fail(error))
  }

  onDrain(): void {
    const { exchange } = this
    if (exchange === undefined || exchange.sent) return
    try {
      exchange.owner.onBodyWanted()
    } catch (error) {
      this.#fail(asPosternError(error))
    }
  }

  #continue(): void {
    if (!this.#awaitsContinue) return
    this.#awaitsContinue = false
    this.#timer.disarm()
    this.onDrain()
  }

  // ── the response ───────────────────────────────────────────────────────────────────────────────────────────────────

  onBytes(chunk: Buffer, borrowed: boolean): boolean {
    const { input } = this.#reader
    // Bytes without a request: they must not be read as the response to the next one.
    if (this.exchange === undefined) this.destroy()
    else {
      this.#answered = true
      input.push(chunk, borrowed)
      this.pump()
    }
    return input.settle()
  }

  /** Processes what has arrived. While the owner pauses it does nothing, and reports no failure. Steps never nest. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    try {
      while (this.exchange !== undefined && !this.exchange.paused && this.#step(this.exchange));
    } catch (error) {
      this.#fail(asPosternError(error))
    } finally {
      this.#pumping = false
    }
    if (this.#reader.input.length === 0) this.#reader.input.release()
    this.adjustFlow()
  }

  runDeferred(): void {
    this.pump()
  }

  /** Pauses or resumes the connection as the owner has asked. What follows a 101 waits for the end of the request's body. */
  adjustFlow(): void {
    const halt = this.exchange !== undefined && (this.exchange.paused || this.#agreed !== undefined)
    if (halt === this.#halted || this.#released) return
    this.#halted = halt
    if (halt) this.#stream.pause()
    else this.#stream.resume()
  }

  #step(exchange: ClientExchange): boolean {
    const { body, input } = this.#reader
    if (this.#agreed !== undefined) return this.#switch(exchange, this.#agreed)
    if (!this.#headSeen) return this.#takeHead(exchange)
    if (body.problem !== undefined) return this.#malformed(body.problem)
    if (body.done) return this.#complete(exchange)
    const piece = input.length === 0 ? undefined : body.read(input)
    if (piece !== undefined) {
      if (exchange.owner.onData(piece) === CONSUMED) input.giveBack()
      return true
    }
    return body.done || body.problem !== undefined || (this.#ended && this.#takeEnd())
  }

  #takeHead(exchange: ClientExchange): boolean {
    const head = this.#reader.nextHead(exchange.request.method)
    if (head === undefined) return this.#ended && this.#takeEnd()
    if (head instanceof Malformed) return this.#malformed(head)
    const { status, reason, fields } = head
    if (status === 101) return this.#switch(exchange, head)
    if (status < 200) {
      exchange.owner.onInterim?.(status, fields)
      if (status === 100) this.#continue()
      return true
    }
    if (status === 408 && this.#isAboutIdleness(head, exchange)) {
      this.#fail(new PosternError('UR', 'the backend had closed the idle connection: it sent a 408'), 'stale')
      return false
    }
    this.#headSeen = true
    this.#timer.disarm()
    this.#awaitsContinue = false
    this.#persistent = this.#staysOpen(head, exchange)
    const isWhole = exchange.owner.onWhole !== undefined && this.#reader.body.hasCome(this.#reader.input)
    if (isWhole) return this.#takeWhole(exchange, head)
    exchange.owner.onHead(status, reason, fields, head.version)
    return true
  }

  /** The body has come with its head: no pieces, no copies and no other turn of `pump`, 1.1 µs of a small response. */
  #takeWhole(exchange: ClientExchange, { status, reason, fields, version }: ResponseHead): boolean {
    const { owner } = exchange
    const text = this.#reader.body.readText(this.#reader.input)
    this.#leave(exchange)
    try {
      owner.onWhole!(status, reason, fields, version, text)
    } catch (error) {
      owner.onFail(asPosternError(error))
    }
    return false
  }

  /**
   * Whether a 408 that closes the connection is about its idleness and crossed the request on the way. The answer to this
   * request it could be only on a new connection, or while the request has not been sent whole.
   */
  #isAboutIdleness({ version, fields }: ResponseHead, exchange: ClientExchange): boolean {
    return (
      this.uses > 1 && exchange.sent && !this.#reader.hadInterim && !isPersistent(version, connectionOptions(fields))
    )
  }

  /** Whether the connection may carry another request after this response. */
  #staysOpen({ version, status, fields, framing }: ResponseHead, exchange: ClientExchange): boolean {
    if (framing === UNTIL_CLOSE || !isPersistent(version, connectionOptions(fields))) return false
    const promised = promisedIdle(fields)
    this.#idleLimit = promised === undefined ? idleLimit : Math.max(0, promised - idleMargin)
    // A backend that announces a body with a 204 may send it; it would be read as the next response.
    const empty = status === 204 && exchange.request.method !== 'HEAD'
    return !empty || (!fields.has('transfer-encoding') && (fields.get('content-length') ?? '0') === '0')
  }

  #complete(exchange: ClientExchange): boolean {
    exchange.trailers = this.#reader.body.trailers
    this.#leave(exchange)
    exchange.owner.onEnd()
    return false
  }

  /** The response has been read: the connection returns to the pool, or is closed. */
  #leave(exchange: ClientExchange): void {
    const isWhole = exchange.sent && !this.#ended && this.#reader.input.length === 0
    const isReusable = isWhole && this.#persistent && !this.#reader.lenient
    exchange.over = true
    this.exchange = undefined
    if (isReusable) this.#keep()
    else this.destroy()
  }

  #keep(): void {
    this.exchange = undefined
    this.adjustFlow()
    this.idleSince = performance.now()
    if (this.#idleLimit > 0 && this.usable && this.#pool.put(this)) this.#timer.arm(this.#idleLimit)
    else this.destroy()
  }

  /** RFC 9110 §7.8: a tunnel begins only for the protocol that was requested, and if `Connection` says `upgrade`. */
  #switch(exchange: ClientExchange, head: ResponseHead): boolean {
    const { owner, request } = exchange
    const { fields, version } = head
    const asked = request.upgrade?.toLowerCase()
    const agreed = asked !== undefined && fields.get('upgrade')?.toLowerCase() === asked
    if (!agreed || (connectionOptions(fields) & UPGRADE) === 0 || owner.onUpgrade === undefined) {
      return this.#malformed(new Malformed('the backend switched to a protocol that was not requested'))
    }
    // RFC 9110 §7.8: a request ends before the protocol changes.
    if (!exchange.sent && this.#cause === undefined) {
      this.#agreed = head
      return false
    }
    if (!exchange.sent) return this.#takeEnd()
    exchange.over = true
    this.exchange = undefined
    owner.onUpgrade(fields, this.#release(), version)
    return false
  }

  #release(): ByteStream {
    const stream = this.#stream
    const { input } = this.#reader
    this.#timer.disarm()
    stream.leave()
    this.#released = true
    if (input.length > 0) stream.giveBack(input.take(input.length))
    input.release()
    return stream
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  onError(cause: NodeJS.ErrnoException): void {
    const failed = (): void => {
      if (this.#released) return
      this.#cause = cause
      this.onEnd()
    }
    if (cause.syscall !== 'write' || !this.#stream.isOpen) return failed()
    this.#writeFailed = true
    if (cause.code === 'ECONNRESET') this.#reset = cause
    // All that the backend sent is with the kernel: it is read in the next turn of the loop.
    setImmediate(() => setImmediate(failed))
  }

  onEnd(): void {
    this.#ended = true
    if (this.exchange === undefined) this.destroy()
    else this.pump()
  }

  onClose(): void {
    this.onEnd()
  }

  /** It carried others, and nothing has come since it was given this request, which may be sent again: it was idle for too long. */
  get #isStale(): boolean {
    return this.uses > 1 && !this.#answered
  }

  /** The connection has ended, and all that arrived has been read. Returns whether the response is complete. */
  #takeEnd(): boolean {
    const cause = this.#cause ?? this.#reset
    if (this.#headSeen && cause === undefined && this.#reader.body.close()) {
      if (!this.#stream.mayBeCut) return true
      // RFC 9112 §9.8: only close_notify completes it.
      return this.#failAs('UC', 'the response has no length, and its TLS connection ended without close_notify')
    }
    const refusal = this.uses === 1 && !this.#answered ? refusalOf(cause) : undefined
    if (refusal !== undefined) return this.#failAs('UF', refusal, cause)
    const where = this.#headSeen ? 'in the middle of the response' : 'before the response'
    if (cause === undefined) return this.#failAs('UC', `the backend closed the connection ${where}`)
    return this.#failAs('UR', `the connection to the backend failed ${where}: ${cause.code ?? cause.message}`, cause)
  }

  #malformed({ problem }: Malformed): boolean {
    return this.#failAs('UPE', `the backend's response is malformed: ${problem}`)
  }

  #failAs(code: OutcomeCode, message: string, cause?: Error): boolean {
    this.#fail(new PosternError(code, message, { cause }), this.#isStale ? 'stale' : undefined)
    return false
  }

  #fail(error: PosternError, fate?: Fate): void {
    const { exchange } = this
    this.destroy()
    exchange?.fail(error, fate)
  }

  onTimeout(): void {
    if (this.exchange === undefined) this.destroy()
    else this.#continue()
  }

  /** Closes the connection; the owner of its exchange gets no more calls from it. */
  destroy(): void {
    this.exchange = undefined
    this.#ended = true
    this.#timer.disarm()
    this.#reader.input.release()
    this.#pool.remove(this)
    this.#stream.destroy()
  }
}
