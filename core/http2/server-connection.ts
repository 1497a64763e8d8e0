import type { Exchange, HttpConnection, HttpSession, ServerHandler } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import { Http2Connection } from './connection.ts'
import { ErrorCode, max31, maxList } from './frames.ts'
import { readRequestHead } from './request-head.ts'
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

/** A client's HTTP/2 connection: a request on each stream. */
export class Http2ServerConnection extends Http2Connection implements HttpSession {
  readonly connection: HttpConnection
  readonly handler: ServerHandler
  readonly #timer = new WheelTimer(this)
  #state = OPEN
  #isLast = false
  #hasServed = false
  /** The malformed request that is being reported. */
  #refusing: { readonly id: number; answer: RefusedStream | undefined } | undefined

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
    this.transport.reset()
  }

  refuse(status: number, fields: Fields, body: Uint8Array): void {
    const refusing = this.#refusing
    // What is not even a request gets no answer, but a stream error.
    if (refusing === undefined || status === 400) return
    const stream = new RefusedStream(this, refusing.id)
    const list = [':status', `${status}`, ...fields.list]
    refusing.answer = stream
    stream.sendHead(list, true)
    stream.sendData(body)
    stream.sendEnd()
  }

  /** A request turned out to be malformed after its head. */
  report(malformed: Malformed, { method, rawTarget }: Exchange): void {
    this.handler.onMalformed(this, malformed, { method, target: rawTarget })
  }

  protected open(id: number, list: string[] | undefined, isEnd: boolean): Http2Stream | ErrorCode {
    if (this.#state >= DRAINING) return ErrorCode.REFUSED_STREAM
    if (list === undefined) return this.#refuse(id, longList, undefined)
    const head = readRequestHead(list, isEnd)
    const begun = head instanceof Malformed ? undefined : { method: head.method, target: head.target }
    if (head instanceof Malformed) return this.#refuse(id, head, begun)
    const expect = head.fields.get('expect')
    if (expect && expect.toLowerCase() !== '100-continue') return this.#refuse(id, badExpect, begun)
    if (this.#state === OPEN) this.#timer.disarm()
    const stream = new ServerStream(this, id, head, !isEnd, !this.#hasServed)
    this.#hasServed = true
    stream.guard(() => this.handler.onRequest(stream.exchange))
    return stream
  }

  #refuse(
    id: number,
    malformed: Malformed,
    begun: { method: string; target: string } | undefined,
  ): Http2Stream | ErrorCode {
    const refusing: { readonly id: number; answer: RefusedStream | undefined } = { id, answer: undefined }
    this.#refusing = refusing
    this.handler.onMalformed(this, malformed, begun)
    this.#refusing = undefined
    return refusing.answer ?? ErrorCode.PROTOCOL_ERROR
  }

  protected override onStreamClosed(): void {
    if (this.streams.size > 0) return
    if (this.#state === OPEN) this.#timer.arm(this.handler.timeouts.keepAlive)
    else if (this.#state === DRAINING) this.close()
  }

  protected onGoaway(): void {
    if (this.streams.size === 0) this.close()
  }

  protected onSettings(): void {}

  protected onOver(problem: Error | undefined): void {
    this.#state = CLOSING
    if (problem !== undefined) this.handler.onMalformed(this, new Malformed(problem.message), undefined)
    this.#timer.arm(linger)
  }

  protected override onClosed(): void {
    this.#timer.disarm()
    this.handler.onClose(this)
  }

  onTimeout(): void {
    if (this.#state === CLOSING) this.transport.destroy()
    else if (this.#state === LEAVING) this.#leave()
    else this.close()
  }
}
