import type { Begun, Exchange, HttpConnection, HttpSession, ServerHandler } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import { Http2Connection } from './connection.ts'
import { ErrorCode, max31, maxList } from './frames.ts'
import { readRequestHead } from './request-head.ts'
import { responseList } from './server-exchange.ts'
import { RefusedStream, ServerStream } from './server-stream.ts'
import type { Http2Stream } from './stream.ts'

/** How long the client has for the answer to a PING before a drain, and then to close its side, ms. */
const linger = 2000

const longList = new Malformed(`the header fields have more than ${maxList} bytes`, 431)
const badExpect = new Malformed('Expect is not "100-continue"', 417)

/** The client may begin requests. */
const OPEN = 0
/** A first GOAWAY has been sent; requests that were on their way are still served. */
const LEAVING = 1
/** No other request is served. */
const DRAINING = 2
/** This side has ended; the transport is closed after `linger` at the latest. */
const CLOSING = 3

/** A request that is refused, while the handler is asked. */
interface Refusing {
  readonly id: number
  readonly isHead: boolean
  answer: RefusedStream | undefined
}

/** A client's HTTP/2 connection: a request on each stream. */
export class Http2ServerConnection extends Http2Connection implements HttpSession {
  readonly connection: HttpConnection
  readonly handler: ServerHandler
  readonly #timer = new WheelTimer(this)
  #state = OPEN
  #isLast = false
  #hasServed = false
  /** A head has begun to arrive and is not over. */
  #isHeadDue = false
  /** The client has said that it begins no other request. */
  #hasLeft = false
  /** The malformed request that is being reported. */
  #refusing: Refusing | undefined

  /** @param stream not started. */
  constructor(stream: ByteStream, connection: HttpConnection, handler: ServerHandler) {
    super(stream, true)
    this.connection = connection
    this.handler = handler
    this.#timer.arm(handler.timeouts.head)
    this.start()
  }

  makeLast(): void {
    this.#isLast = true
  }

  /** A response has begun. */
  responded(): void {
    if (this.#isLast) this.drain()
  }

  /**
   * RFC 9113 §6.8: first a GOAWAY that ends nothing, and once the client has surely read it another one, with the last request
   * that is served. So no request is lost that crossed the first one.
   */
  drain(): void {
    if (this.#state !== OPEN) return
    this.#state = LEAVING
    this.#isLast = true
    this.goaway(ErrorCode.NO_ERROR, max31)
    this.ping(() => this.#leave())
    this.#timer.arm(linger)
  }

  #leave(): void {
    if (this.#state !== LEAVING) return
    this.#state = DRAINING
    this.#timer.disarm()
    this.goaway(ErrorCode.NO_ERROR)
    if (this.streams.size === 0) this.close()
  }

  abort(): void {
    // While it closes, the last frames may still be on their way from the kernel.
    if (this.#state === CLOSING) this.transport.destroy()
    else this.transport.reset()
  }

  get isLeaving(): boolean {
    return this.#state !== OPEN
  }

  /** A malformed request gets a stream error instead of an answer (RFC 9113 §8.1.1); others are well-formed, though refused. */
  refuse(status: number, fields: Fields, body: Uint8Array): void {
    const refusing = this.#refusing
    if (refusing === undefined || status === 400) return
    const stream = new RefusedStream(this, refusing.id)
    refusing.answer = stream
    stream.sendHead(responseList(status, fields, body.length), true)
    if (!refusing.isHead) stream.sendData(body)
    stream.sendEnd()
  }

  /** A request turned out to be malformed after its head. */
  report(malformed: Malformed, { method, rawTarget }: Exchange): void {
    this.handler.onMalformed(this, malformed, { method, target: rawTarget })
  }

  override onBytes(bytes: Buffer, borrowed: boolean): boolean {
    const mayReuse = super.onBytes(bytes, borrowed)
    if (this.receiver.isInBlock !== this.#isHeadDue && this.#state < CLOSING) this.#watchHead()
    return mayReuse
  }

  /** A head has begun, or is over: while none is due and requests are under way there is no time limit. */
  #watchHead(): void {
    const { head, keepAlive } = this.handler.timeouts
    this.#isHeadDue = this.receiver.isInBlock
    if (this.#state === LEAVING) return
    if (this.#isHeadDue) this.#timer.arm(head)
    else if (this.#hasServed && this.streams.size === 0) this.#timer.arm(keepAlive)
    else if (this.#hasServed) this.#timer.disarm()
  }

  protected open(id: number, list: string[] | undefined, isEnd: boolean): Http2Stream | ErrorCode {
    if (this.#state >= DRAINING) return ErrorCode.REFUSED_STREAM
    if (list === undefined) return this.#refuse(id, longList, undefined)
    const head = readRequestHead(list, isEnd)
    if (head instanceof Malformed) return this.#refuse(id, head, begunOf(list))
    const expect = head.fields.get('expect')
    if (expect && expect.toLowerCase() !== '100-continue') return this.#refuse(id, badExpect, head)
    if (this.#state === OPEN) this.#timer.disarm()
    const stream = new ServerStream(this, id, head, isEnd, !this.#hasServed)
    this.#hasServed = true
    stream.guard(() => this.handler.onRequest(stream.exchange))
    return stream
  }

  #refuse(id: number, malformed: Malformed, begun: Begun | undefined): Http2Stream | ErrorCode {
    const refusing: Refusing = { id, isHead: begun?.method === 'HEAD', answer: undefined }
    this.#refusing = refusing
    this.handler.onMalformed(this, malformed, begun)
    this.#refusing = undefined
    return refusing.answer ?? ErrorCode.PROTOCOL_ERROR
  }

  protected override onStreamClosed(): void {
    if (this.streams.size > 0) return
    if (this.#state === DRAINING || this.#hasLeft) this.close()
    else if (this.#state === OPEN) this.#timer.arm(this.handler.timeouts.keepAlive)
  }

  protected onGoaway(): void {
    this.#hasLeft = true
    if (this.streams.size === 0) this.close()
  }

  protected onSettings(): void {}

  protected onOver(problem: NodeJS.ErrnoException | undefined): void {
    this.#state = CLOSING
    // With a code it is an error of the transport.
    if (problem !== undefined && problem.code === undefined)
      this.handler.onMalformed(this, new Malformed(problem.message), undefined)
    this.#timer.arm(linger)
  }

  protected override onClosed(): void {
    this.#timer.disarm()
    this.handler.onClose(this)
  }

  onTimeout(): void {
    if (this.#state === CLOSING) this.transport.destroy()
    else if (this.#isHeadDue)
      this.fail(ErrorCode.PROTOCOL_ERROR, `no end of a head for ${this.handler.timeouts.head} ms`)
    else if (this.#state === LEAVING) this.#leave()
    else this.close()
  }
}

/** The first words of a malformed request; `undefined` when it lacks them. */
function begunOf(list: readonly string[]): Begun | undefined {
  const method = list.indexOf(':method')
  const path = list.indexOf(':path')
  return method === -1 || path === -1 ? undefined : { method: list[method + 1]!, target: list[path + 1]! }
}
