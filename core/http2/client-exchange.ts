import { asPosternError, PosternError } from '../errors.ts'
import type { Fields } from '../http/fields.ts'
import type { Fate, UpstreamExchange, UpstreamOwner, UpstreamRequest } from '../http/upstream-exchange.ts'
import { afterRead, type Deferred } from '../net/after-read.ts'
import type { Delivery } from '../net/delivery.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import type { Http2ClientConnection } from './client-connection.ts'
import type { ClientStream } from './client-stream.ts'
import type { Http2Pool } from './connection-pool.ts'

/** How long to wait for the answer to `Expect: 100-continue` before the body is sent anyway, ms. */
const expectLimit = 1000

/**
 * A request under way on a backend: waiting for a session, on a stream, or on its way to another one because the backend did
 * not process it. After its end every method does nothing.
 */
export class ClientExchange implements UpstreamExchange, Deferred {
  readonly isRefusable = true
  readonly request: UpstreamRequest
  readonly owner: UpstreamOwner
  readonly connectTimeout: number
  /** Trailers of the response, once its body is complete; kept apart from its fields (RFC 9110 §6.5.1). */
  trailers: Fields | undefined
  paused = false
  /** The request is complete. */
  sent: boolean
  /** The owner gets no more calls. */
  over = false
  /** A part of the body has been written. */
  hasWritten = false
  /** How often the backend has said that it did not process the request, and on which session last. */
  refusals = 0
  refusedBy: Http2ClientConnection | undefined
  stream: ClientStream | undefined
  /** The header list, once the request has been sent: the owner may change its fields after that. */
  list: readonly string[] | undefined
  readonly #pool: Http2Pool
  #session: Http2ClientConnection | undefined
  #timer: WheelTimer | undefined
  #awaitsContinue = false
  /** What was written while the request was on its way to another session, and the trailers at its end. */
  #early: Uint8Array[] | undefined
  #trailers: Fields | undefined

  constructor(request: UpstreamRequest, owner: UpstreamOwner, pool: Http2Pool, connectTimeout: number) {
    this.request = request
    this.owner = owner
    this.#pool = pool
    this.connectTimeout = connectTimeout
    this.sent = !request.hasBody
  }

  /** Waits for a session that has room. */
  wait(): void {
    this.#timer ??= new WheelTimer(this)
    this.#timer.arm(this.connectTimeout)
  }

  onTimeout(): void {
    if (this.stream !== undefined) return this.continue()
    this.#pool.leave(this)
    const { address } = this.#pool.backend
    const message = `${address}: no connection with room for a stream within ${this.connectTimeout} ms`
    this.fail(new PosternError('UF', message, { status: 504 }))
  }

  /** Sends the request on a session, after the caller has returned. */
  use(session: Http2ClientConnection): void {
    this.#timer?.disarm()
    this.#session = session
    session.promised++
    afterRead(this)
  }

  runDeferred(): void {
    const session = this.#session!
    this.#session = undefined
    session.begin(this)
  }

  /** The request's head is being sent: tells the owner so, and what was written before follows. */
  begun(stream: ClientStream): void {
    const { request, owner } = this
    const isFirst = this.refusals === 0
    const early = this.#early
    this.stream = stream
    this.#early = undefined
    if (this.paused) stream.pause()
    if (early !== undefined) for (const chunk of early) stream.write(chunk)
    if (this.sent && request.hasBody) stream.end(this.#trailers)
    try {
      if (isFirst) owner.onConnected()
    } catch (error) {
      return stream.fail(asPosternError(error))
    }
    if (this.over || this.sent) return
    this.#awaitsContinue = isFirst && request.fields.get('expect')?.toLowerCase() === '100-continue'
    if (!this.#awaitsContinue) return stream.askBody()
    this.#timer ??= new WheelTimer(this)
    this.#timer.arm(expectLimit)
  }

  /** The body may follow the head. */
  continue(): void {
    if (!this.#awaitsContinue) return
    this.#awaitsContinue = false
    this.#timer!.disarm()
    this.stream!.askBody()
  }

  /** The response's head has come. */
  answered(): void {
    this.list = undefined
    this.#awaitsContinue = false
    this.#timer?.disarm()
  }

  /** Its stream has ended, and the backend has not processed it. */
  unprocessed(by: Http2ClientConnection, error: PosternError): void {
    this.stream = undefined
    this.#timer?.disarm()
    this.refusedBy = by
    this.#pool.again(this, error)
  }

  fail(error: PosternError, fate?: Fate): void {
    if (this.over) return
    this.finish()
    this.owner.onFail(error, fate)
  }

  /** The owner gets no more calls. */
  finish(): void {
    this.over = true
    this.#timer?.disarm()
    this.list = undefined
    this.#early = undefined
  }

  write(chunk: Uint8Array): boolean {
    if (this.over || this.sent || chunk.length === 0) return true
    this.hasWritten = true
    if (this.stream !== undefined) return this.stream.write(chunk)
    this.#early ??= []
    this.#early.push(chunk)
    return false
  }

  get isFlushed(): boolean {
    return this.#early === undefined && (this.stream?.isFlushed ?? true)
  }

  delivery(done: (delivery: Delivery) => void): void {
    if (this.stream === undefined) setImmediate(done, { taken: 0, left: 0 })
    else this.stream.delivery(done)
  }

  end(trailers?: Fields): void {
    if (this.over || this.sent) return
    this.sent = true
    this.#trailers = trailers
    this.stream?.end(trailers)
  }

  pause(): void {
    if (this.over || this.paused) return
    this.paused = true
    this.stream?.pause()
  }

  resume(): void {
    if (this.over || !this.paused) return
    this.paused = false
    this.stream?.goOn()
  }

  cancel(): void {
    if (this.over) return
    this.finish()
    if (this.stream !== undefined) this.stream.cancel()
    else this.#pool.leave(this)
  }
}
