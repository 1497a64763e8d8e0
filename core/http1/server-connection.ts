import { type Begun, CONSUMED, type HttpConnection, type HttpSession, type ServerHandler } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import type { ByteReceiver, ByteStream } from '../net/byte-stream.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import { type DroppedUpload, dropMore, endDropping } from './dropped-uploads.ts'
import { encodeResponseHead, encodeSwitchHead } from './encode-head.ts'
import { NO_BODY } from './framing.ts'
import { announceLast } from './last-request.ts'
import { MessageWriter } from './message-writer.ts'
import type { RequestHead } from './parse-head.ts'
import { RequestReader } from './request-reader.ts'
import { ServerExchange } from './server-exchange.ts'

/** Most bytes read ahead of an exchange that has not asked for them; beyond that the socket is paused. */
const maxAhead = 64 * 1024

/** Most bytes of a refused body that are read and dropped to keep the connection open. */
const maxDiscard = 256 * 1024

/** How long the client has to read the last response and close its side before the socket is destroyed, ms. */
const linger = 2000

const lateHead = new Malformed('the request head timed out', 408)
const badExpect = new Malformed('Expect is not "100-continue"', 417)

/** Requests are accepted. */
const OPEN = 0
/** The response is complete, and the unread remainder of the request's body is being dropped. */
const DISCARDING = 1
/** The gateway's side has ended; further bytes are dropped. */
const CLOSING = 2
/** Handed over to a tunnel. */
const RELEASED = 3

/**
 * A client's HTTP/1.1 connection: reads its requests one at a time, in order, and after each one keeps the connection open,
 * ends it, or releases it to a tunnel. A FIN from the client during an exchange counts as a disconnect, since that is how
 * browsers and proxies disconnect, unless the client has announced that it sends no other request.
 */
export class ServerConnection implements ByteReceiver, HttpSession, DroppedUpload {
  readonly stream: ByteStream
  readonly connection: HttpConnection
  readonly isLeaving = false
  readonly writer: MessageWriter
  /** The exchange under way. */
  exchange: ServerExchange | undefined
  /** Whether the current exchange, or the next one, is the last: its response says `connection: close`. */
  last = false
  readonly #handler: ServerHandler
  readonly #reader = new RequestReader()
  readonly #timer = new WheelTimer(this)
  #state = OPEN
  #pumping = false
  #headDue = false
  #halted = false
  /** The request that is refused. */
  #refused: Begun | undefined
  /** Whether a request has arrived. */
  #hasServed = false

  /** @param stream not started. */
  constructor(stream: ByteStream, connection: HttpConnection, handler: ServerHandler) {
    this.stream = stream
    this.connection = connection
    this.writer = new MessageWriter(stream)
    this.#handler = handler
    stream.start(this)
    this.#timer.arm(handler.timeouts.head)
  }

  /** Whether no request is under way or has begun to arrive. */
  get idle(): boolean {
    return this.exchange === undefined && this.#state === OPEN && this.#reader.input.length === 0
  }

  makeLast(): void {
    this.last = true
  }

  /** Ends the connection once no exchange is under way. */
  drain(): void {
    this.makeLast()
    if (this.idle) this.#close()
  }

  /** Answers a malformed request, then closes: the client has `linger` to read the answer. */
  refuse(status: number, fields: Fields, body: Uint8Array): void {
    if (this.#state >= CLOSING) return
    const { length } = body
    // RFC 9110 §9.3.2: the writer drops the body of an answer to HEAD.
    const framing = this.#refused?.method === 'HEAD' ? NO_BODY : length
    this.writer.begin(encodeResponseHead(status, '', fields, framing, length, 'close'), framing)
    this.writer.write(body)
    this.writer.end(undefined)
    this.#close()
  }

  /**
   * Breaks the connection so that the client cannot take what it received for complete, unless it is: then the kernel sends it.
   *
   * @param gently see `Exchange.abort`. Default: false.
   */
  abort(gently: boolean = false): void {
    const { exchange } = this
    if (this.#state === CLOSING || (gently && this.writer.marksEnd)) this.stream.destroy()
    else this.stream.reset()
    // A connection that is not released tells the owner in `onClose`. That of a tunnel is handled by its holder.
    if (this.#state === RELEASED && exchange !== undefined) process.nextTick(() => this.#gone(exchange))
  }

  // ── for the exchange ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether a response of this status refuses a body of which more than `maxDiscard` is unread: the connection will close. */
  hasMuchUnread(status: number): boolean {
    const isRefused = this.exchange?.received === false || status >= 400
    return isRefused && (this.#reader.body.left ?? 0) > maxDiscard
  }

  /** Whether bytes have arrived that have not been read yet: behind a head those of its body. */
  get hasMore(): boolean {
    return this.#reader.input.length > 0
  }

  /** Whether the request has been received with its whole body. */
  get bodyDone(): boolean {
    return this.#reader.body.done
  }

  receive(exchange: ServerExchange): void {
    if (exchange.awaitsContinue) exchange.inform(100)
    exchange.awaitsContinue = false
    if (exchange.hasBody) this.pump()
    else exchange.owner.onBodyEnd()
  }

  ended(exchange: ServerExchange): void {
    const { stream } = this
    if (this.#state === RELEASED) this.#over(exchange)
    else if (stream.unsent > 0) stream.askDrain()
    // Otherwise the client will not have it, and `onClose` is on its way.
    else if (stream.isOpen && !stream.hasFailed) this.#over(exchange)
  }

  release(protocol: string, fields: Fields): ByteStream {
    const { stream } = this
    const { input } = this.#reader
    this.writer.interim(encodeSwitchHead(protocol, fields))
    this.#state = RELEASED
    this.#timer.disarm()
    stream.leave()
    if (input.length > 0) stream.giveBack(input.take(input.length))
    input.release()
    return stream
  }

  #over(exchange: ServerExchange): void {
    if (this.exchange !== exchange) return
    this.exchange = undefined
    try {
      exchange.owner.onSent()
    } catch (error) {
      this.#handler.onCrash(exchange, error)
    }
    this.#handler.onOver(exchange)
    if (this.#state === RELEASED) this.#handler.onClose(this)
    if (this.#state !== OPEN) return
    if (this.last) return this.#closeAfter(exchange)
    if (this.#reader.body.done) this.#timer.arm(this.#handler.timeouts.keepAlive)
    else {
      this.#state = DISCARDING
      this.#timer.arm(dropMore(this))
    }
    this.pump()
  }

  // ── what arrives ───────────────────────────────────────────────────────────────────────────────────────────────────

  onBytes(chunk: Buffer, borrowed: boolean): boolean {
    const { input } = this.#reader
    if (this.#state === DISCARDING || this.#state === CLOSING) this.#timer.arm(dropMore(this))
    if (this.#state === CLOSING) return true
    input.push(chunk, borrowed)
    // A body that has begun to arrive needs no 100 (RFC 9110 §10.1.1).
    if (this.exchange?.awaitsContinue) this.exchange.awaitsContinue = false
    this.pump()
    return input.settle()
  }

  /** Processes what has arrived. Steps never nest, however many requests are in one chunk. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    try {
      while (this.#step());
    } catch (error) {
      if (this.exchange === undefined) this.abort()
      else this.#handler.onCrash(this.exchange, error)
    } finally {
      this.#pumping = false
    }
    if (this.stream.hasEnded) this.#settleEnd()
    if (this.#reader.input.length === 0) this.#reader.input.release()
    this.adjustFlow()
  }

  /** Pauses or resumes the connection, as the exchange and the bytes read ahead require. */
  adjustFlow(): void {
    if (this.#state === RELEASED) return
    const { exchange } = this
    const halt =
      exchange !== undefined &&
      this.#state === OPEN &&
      ((exchange.paused && !this.#reader.body.done) || this.#reader.input.length > maxAhead)
    if (halt === this.#halted) return
    this.#halted = halt
    if (halt) this.stream.pause()
    else this.stream.resume()
  }

  #step(): boolean {
    const { exchange } = this
    if (this.#state >= CLOSING) return false
    if (exchange !== undefined) return this.#takeBody(exchange)
    if (this.#reader.input.length === 0) return false
    return this.#state === OPEN ? this.#takeHead() : this.#dropBody()
  }

  #takeHead(): boolean {
    const head = this.#reader.nextHead()
    if (head instanceof Malformed) return this.#refuse(head, this.#reader.begun)
    if (head !== undefined) return this.#begin(head)
    if (!this.#headDue && this.#reader.input.length > 0) {
      this.#headDue = true
      this.#timer.arm(this.#handler.timeouts.head)
    }
    return false
  }

  #begin(head: RequestHead): boolean {
    this.#headDue = false
    this.#timer.disarm()
    const exchange = new ServerExchange(this, head, !this.#hasServed)
    this.#hasServed = true
    const expect = head.version === '1.1' ? head.fields.get('expect') : undefined
    if (expect && expect.toLowerCase() !== '100-continue') return this.#refuse(badExpect, head)
    this.exchange = exchange
    this.#handler.onRequest(exchange)
    return true
  }

  #takeBody(exchange: ServerExchange): boolean {
    const { body, input } = this.#reader
    if (!exchange.received || exchange.paused) return false
    if (body.problem !== undefined) return this.#broken(exchange, body.problem)
    if (body.done || input.length === 0) return false
    const piece = body.read(input)
    if (piece !== undefined) {
      exchange.bytesIn += piece.length
      if (exchange.owner.onBody(piece) === CONSUMED) input.giveBack()
    }
    if (body.done && body.problem === undefined && this.exchange === exchange) {
      exchange.trailers = body.trailers
      exchange.owner.onBodyEnd()
    }
    return piece !== undefined || body.done || body.problem !== undefined
  }

  #dropBody(): boolean {
    const { body, input } = this.#reader
    const piece = body.read(input)
    if (piece !== undefined) input.giveBack()
    if (body.problem !== undefined) {
      this.#close()
      return false
    }
    if (body.done) {
      endDropping(this)
      this.#state = OPEN
      this.#timer.arm(this.#handler.timeouts.keepAlive)
    }
    return piece !== undefined || body.done
  }

  /** The body is malformed. The client gets an answer if no response has begun; otherwise the connection is broken. */
  #broken(exchange: ServerExchange, problem: Malformed): boolean {
    if (exchange.responded) {
      this.abort()
      return false
    }
    this.#gone(exchange)
    return this.#refuse(problem, { method: exchange.method, target: exchange.rawTarget })
  }

  #refuse(malformed: Malformed, begun: Begun | undefined): boolean {
    this.#refused = begun
    this.#handler.onMalformed(this, malformed, begun)
    this.#close()
    return false
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  onDrain(): void {
    const { exchange } = this
    if (exchange === undefined || !exchange.responded) return
    if (exchange.ended) return this.#over(exchange)
    try {
      exchange.owner.onWritable()
    } catch (error) {
      this.#handler.onCrash(exchange, error)
    }
  }

  onEnd(): void {
    const { exchange } = this
    if (exchange === undefined || this.#awaitsAnswers(exchange)) this.pump()
    // The rest of the response may still reach the client.
    else if (exchange.ended) this.last = true
    // Not a FIN: a response that ends with the connection would look complete.
    else this.stream.reset()
  }

  /** Whether a client that has ended its side still wants to be answered. */
  #awaitsAnswers(exchange: ServerExchange): boolean {
    if (exchange.announcesLast || this.#handler.halfClose === 'serve') return true
    const { body, input } = this.#reader
    return announceLast(Buffer.from(input.bytes.subarray(input.at)), body.copy())
  }

  /** The client sends no more: what is incomplete stays so. */
  #settleEnd(): void {
    const { exchange } = this
    if (exchange === undefined) this.#close()
    else if (exchange.received && !exchange.paused && !this.bodyDone) this.stream.reset()
  }

  onError({ syscall }: NodeJS.ErrnoException): void {
    if (syscall === 'write') this.stream.destroy()
  }

  onClose(): void {
    const { exchange } = this
    this.#timer.disarm()
    endDropping(this)
    this.#state = CLOSING
    if (exchange !== undefined) this.#gone(exchange)
    this.#handler.onClose(this)
  }

  onTimeout(): void {
    if (this.#state === DISCARDING || this.#state === CLOSING) this.cut()
    else if (this.#state === OPEN && this.#reader.input.length > 0) this.#refuse(lateHead, this.#reader.begun)
    else this.#close()
  }

  cut(): void {
    this.stream.destroy()
  }

  #gone(exchange: ServerExchange): void {
    if (this.exchange !== exchange) return
    this.exchange = undefined
    try {
      // There is no owner yet when `onRequest` itself threw.
      exchange.owner?.onGone()
    } catch (error) {
      this.#handler.onCrash(exchange, error)
    }
    this.#handler.onOver(exchange)
    if (this.#state === RELEASED) this.#handler.onClose(this)
  }

  /**
   * A client that sends no more, and whose response is with the kernel, loses nothing when the connection is closed at once: no
   * shutdown, no read of the FIN of the client and no timer.
   */
  #closeAfter(exchange: ServerExchange): void {
    const { stream } = this
    const { body, input } = this.#reader
    const isQuiet = exchange.sendsNoMore && body.done && input.length === 0
    if (!isQuiet || stream.isTls || stream.unsent > 0) return this.#close()
    this.#state = CLOSING
    stream.destroy()
  }

  /**
   * RFC 9112 §9.6: ends the gateway's side, and reads on for `linger`, or while the client still sends: closing the socket
   * while bytes arrive sends a reset, which could destroy the last response before the client has read it.
   */
  #close(): void {
    if (this.#state >= CLOSING) return
    this.#state = CLOSING
    this.#reader.input.release()
    this.writer.flush()
    this.stream.end()
    this.#timer.arm(this.#reader.body.done || this.stream.hasEnded ? linger : dropMore(this))
    this.adjustFlow()
  }
}
