import { asPosternError, PosternError } from '../errors.ts'
import { CONSUMED, type Consumed } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import { afterRead, type Deferred } from '../net/after-read.ts'
import type { Delivery } from '../net/delivery.ts'
import type { Http2ClientConnection } from './client-connection.ts'
import type { ClientExchange } from './client-exchange.ts'
import { DeliveryOfStream } from './delivery-of-stream.ts'
import { ErrorCode, nameOfCode } from './frames.ts'
import { announcedLength, asksForTunnel, trailerList } from './request-list.ts'
import { type ResponseHead, readResponseHead, readTrailers } from './response-head.ts'
import { Http2Stream } from './stream.ts'
import { TunnelStream } from './tunnel-stream.ts'

/** Most interim responses before a final one. Each is forwarded, so without a limit a backend could flood its clients. */
const maxInterim = 32

/** Longest body that is told whole, bytes. */
const maxText = 8 * 1024

const early = new Malformed('a body comes before its head')
const unasked = new Malformed('there is a body, though such a response has no body')
const wrongLength = new Malformed('the body differs from its Content-Length')
const endless = new Malformed('the trailers do not end the response')
const endedInterim = new Malformed('an interim response ends the stream')
const flood = new Malformed(`more than ${maxInterim} interim responses before the final one`)

/** What arrived during a pause and has to wait for its end. */
type Late = Fielded | Reset | 'end'

interface Fielded {
  readonly list: string[]
  readonly isEnd: boolean
}

interface Reset {
  readonly code: ErrorCode | undefined
  readonly cause: Error | undefined
}

/** The stream that carries one exchange: reads its response, and sends its body. */
export class ClientStream extends Http2Stream implements Deferred {
  readonly exchange: ClientExchange
  readonly #session: Http2ClientConnection
  /** Its session was new when it began. */
  readonly #isNew: boolean
  #interim = 0
  #headed = false
  /** The response has no body, whatever its fields say. */
  #hasNone = false
  /** Bytes of the response's body that are still to come; `undefined`: any number. */
  #expected: number | undefined
  /** A head that waits for the end of its turn, and the beginning of its body: all of it may come with it. */
  #head: ResponseHead | undefined
  #text = ''
  /** A piece that the owner could not take since it paused within `onHead`. */
  #piece: Buffer | undefined
  #late: Late[] | undefined
  /** Bytes of the request's body that are still to be sent; `undefined`: any number. */
  #left: number | undefined
  #tunnel: TunnelStream | undefined
  #delivery: DeliveryOfStream | undefined

  constructor(session: Http2ClientConnection, exchange: ClientExchange) {
    super(session, 0)
    this.#session = session
    this.#isNew = !session.hasAnswered
    this.exchange = exchange
    this.#left = announcedLength(exchange.request)
  }

  // ── the request ────────────────────────────────────────────────────────────────────────────────────────────────────

  write(chunk: Uint8Array): boolean {
    if (this.#left !== undefined) {
      this.#left -= chunk.length
      // Reported when the body ends, since the owner is not called from within its own call.
      if (this.#left < 0) return true
    }
    this.#delivery?.wrote(chunk.length)
    return !this.isOpen || this.sendData(chunk)
  }

  end(trailers: Fields | undefined): void {
    if (this.#left === undefined || this.#left === 0) return this.sendEnd(trailerList(trailers))
    // Only a fault of the gateway can cause this: a client's body that ends early fails on the server side.
    const error = new PosternError('GE', "the length of the request's body differs from its Content-Length")
    process.nextTick(() => this.fail(error))
  }

  onWritable(): void {
    if (this.#tunnel !== undefined) return this.#tunnel.onWritable()
    this.askBody()
  }

  /** Tells the owner that the backend takes the request's body. */
  askBody(): void {
    const { exchange } = this
    if (exchange.over || exchange.sent) return
    try {
      exchange.owner.onBodyWanted()
    } catch (error) {
      this.fail(asPosternError(error))
    }
  }

  delivery(done: (delivery: Delivery) => void): void {
    this.#delivery ??= new DeliveryOfStream(this)
    this.#delivery.look(done)
  }

  // ── the response ───────────────────────────────────────────────────────────────────────────────────────────────────

  onFields(list: string[], isEnd: boolean): void {
    if (this.#tunnel !== undefined) return this.#tunnel.refuse()
    this.#session.heard()
    if (this.exchange.over) return
    if (this.exchange.paused) return this.#keep({ list, isEnd })
    if (this.#headed) return this.#takeTrailers(list, isEnd)
    const head = readResponseHead(list)
    if (head instanceof Malformed) return this.#malformed(head)
    if (head.status < 200) this.#takeInterim(head, isEnd)
    else this.#takeHead(head, isEnd)
  }

  #takeInterim({ status, fields }: ResponseHead, isEnd: boolean): void {
    if (isEnd) return this.#malformed(endedInterim)
    if (++this.#interim > maxInterim) return this.#malformed(flood)
    const { exchange } = this
    try {
      exchange.owner.onInterim?.(status, fields)
    } catch (error) {
      return this.fail(asPosternError(error))
    }
    if (status === 100) exchange.continue()
  }

  #takeHead(head: ResponseHead, isEnd: boolean): void {
    const { exchange } = this
    const { status, length } = head
    this.#headed = true
    this.#hasNone = status === 204 || status === 304 || exchange.request.method === 'HEAD'
    this.#expected = this.#hasNone ? 0 : length
    if (isEnd && this.#expected !== undefined && this.#expected > 0) return this.#malformed(wrongLength)
    exchange.answered()
    if (status < 300 && exchange.owner.onUpgrade !== undefined && asksForTunnel(exchange.request)) {
      return this.#beginTunnel(head.fields)
    }
    this.#head = head
    if (exchange.owner.onWhole === undefined || (this.#expected ?? 0) > maxText) this.#tellHead()
    else if (!isEnd) afterRead(this)
  }

  /** The turn is over. */
  runDeferred(): void {
    if (this.#head !== undefined && !this.exchange.over && !this.exchange.paused) this.#tellHead()
  }

  /** Tells the owner of the head that waits, and of the piece behind it. Returns whether more may be told. */
  #tellHead(): boolean {
    const { exchange } = this
    const { status, fields } = this.#head!
    const text = this.#text
    this.#head = undefined
    this.#text = ''
    if (text !== '') this.#piece = Buffer.from(text, 'latin1')
    try {
      exchange.owner.onHead(status, '', fields, '2')
    } catch (error) {
      this.fail(asPosternError(error))
    }
    return this.#tellPiece()
  }

  #tellPiece(): boolean {
    const { exchange } = this
    const piece = this.#piece
    if (exchange.over || exchange.paused) return false
    this.#piece = undefined
    if (piece !== undefined) this.#tell(piece)
    return !exchange.over && !exchange.paused
  }

  #tell(piece: Buffer): Consumed | undefined {
    try {
      if (this.exchange.owner.onData(piece) !== CONSUMED) return undefined
    } catch (error) {
      this.fail(asPosternError(error))
    }
    return CONSUMED
  }

  onData(piece: Buffer): Consumed | undefined {
    this.#session.heard()
    if (this.#tunnel !== undefined) return this.#tunnel.onData(piece)
    if (this.exchange.over) return CONSUMED
    if (!this.#fits(piece.length)) return CONSUMED
    if (this.#head === undefined) return this.#tell(piece)
    if (this.#text.length + piece.length <= maxText) {
      this.#text += piece.toString('latin1')
      return CONSUMED
    }
    if (this.#tellHead()) return this.#tell(piece)
    if (this.exchange.over) return CONSUMED
    this.#piece = this.#piece === undefined ? piece : Buffer.concat([this.#piece, piece])
    return undefined
  }

  override onEmptyData(): void {
    // A head that came during a pause is kept.
    if (!this.#headed && this.#late === undefined && !this.exchange.over) this.#malformed(early)
  }

  /** Counts a piece of the body; one that must not be there fails the exchange. */
  #fits(length: number): boolean {
    if (!this.#headed || this.#hasNone) this.#malformed(this.#headed ? unasked : early)
    else if (this.#expected === undefined) return true
    else if (this.#expected < length) this.#malformed(wrongLength)
    else {
      this.#expected -= length
      return true
    }
    return false
  }

  #takeTrailers(list: readonly string[], isEnd: boolean): void {
    if (!isEnd) return this.#malformed(endless)
    const trailers = readTrailers(list)
    if (trailers instanceof Malformed) return this.#malformed(trailers)
    this.exchange.trailers = trailers
    if (this.#head !== undefined) this.#tellHead()
  }

  onEndStream(): void {
    if (this.#tunnel !== undefined) return this.#tunnel.onEndStream()
    const { exchange } = this
    if (exchange.over) return
    if (exchange.paused) return this.#keep('end')
    if (!this.#headed) return this.#malformed(early)
    if (this.#expected !== undefined && this.#expected > 0) return this.#malformed(wrongLength)
    exchange.finish()
    // RFC 9113 §8.1: what is left of the request is of no use to the backend.
    if (!this.isEnded) this.reset(ErrorCode.CANCEL)
    const head = this.#head
    this.#head = undefined
    try {
      if (head === undefined) exchange.owner.onEnd()
      else exchange.owner.onWhole!(head.status, '', head.fields, '2', this.#text)
    } catch (error) {
      if (head !== undefined) exchange.owner.onFail(asPosternError(error))
    }
  }

  // ── pause ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #keep(late: Late): void {
    this.#late ??= []
    this.#late.push(late)
    // Heads are not held back by a window. These are too many interim ones, or what no response has: its owner hears of it later.
    if (this.#late.length > maxInterim + 2) this.reset(ErrorCode.PROTOCOL_ERROR)
  }

  /** Ends a pause: tells the owner what has come meanwhile, as long as it does not pause again. */
  goOn(): void {
    if (!(this.#head === undefined ? this.#tellPiece() : this.#tellHead())) return
    const { exchange } = this
    while (this.#late !== undefined) {
      const one = this.#late.shift()
      if (this.#late.length === 0) this.#late = undefined
      if (one === 'end') this.onEndStream()
      else if (one !== undefined && 'list' in one) this.onFields(one.list, one.isEnd)
      else if (one !== undefined) this.onReset(one.code, one.cause)
      if (exchange.over || exchange.paused) return
    }
    this.resume()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  onReset(code: ErrorCode | undefined, cause?: Error): void {
    if (this.#tunnel !== undefined) return this.#tunnel.onReset(cause)
    const { exchange } = this
    if (exchange.over) return
    const isUnanswered = !this.#headed && this.#interim === 0
    if (code === ErrorCode.REFUSED_STREAM && isUnanswered) return this.#session.refused(exchange, cause)
    if (exchange.paused) return this.#keep({ code, cause })
    const where = this.#headed ? 'in the middle of the response' : 'before the response'
    if (code === undefined) return this.#session.failOver(exchange, isUnanswered && !this.#isNew, where, cause)
    if (cause !== undefined) return exchange.fail(malformedError(cause.message))
    exchange.fail(new PosternError('UR', `the backend reset the stream ${where}: ${nameOfCode(code)}`))
  }

  /** What the backend sends is the holder's of a tunnel. */
  get isTunnel(): boolean {
    return this.#tunnel !== undefined
  }

  override onFlushed(): void {
    this.#tunnel?.onFlushed()
  }

  /** The backend has agreed to a tunnel (RFC 8441 §5): what follows is the holder's. */
  #beginTunnel(fields: Fields): void {
    const { exchange } = this
    exchange.finish()
    this.pause()
    this.#tunnel = new TunnelStream(this)
    try {
      exchange.owner.onUpgrade!(fields, this.#tunnel, '2')
    } catch {
      this.reset(ErrorCode.INTERNAL_ERROR)
    }
  }

  #malformed({ problem }: Malformed): void {
    this.reset(ErrorCode.PROTOCOL_ERROR)
    this.exchange.fail(malformedError(problem))
  }

  /** A fault of the gateway. */
  fail(error: PosternError): void {
    this.reset(ErrorCode.INTERNAL_ERROR)
    this.exchange.fail(error)
  }

  cancel(): void {
    this.reset(ErrorCode.CANCEL)
  }
}

function malformedError(problem: string): PosternError {
  return new PosternError('UPE', `the backend's response is malformed: ${problem}`)
}
