import type { Consumed } from '../http/exchange.ts'
import { CONSUMED, type ExchangeOwner } from '../http/exchange.ts'
import { Malformed } from '../http/malformed.ts'
import { ErrorCode } from './frames.ts'
import { type RequestHead, readRequestTrailers } from './request-head.ts'
import type { Http2ServerConnection } from './server-connection.ts'
import { ServerExchange } from './server-exchange.ts'
import { Http2Stream } from './stream.ts'
import { TunnelStream } from './tunnel-stream.ts'

const wrongLength = new Malformed('the body does not have the length that Content-Length announces')

/** A request of a client as it arrives; its `exchange` is what the owner sees of it. */
export class ServerStream extends Http2Stream {
  readonly server: Http2ServerConnection
  readonly exchange: ServerExchange
  /** What `content-length` announces. */
  readonly #length: number | undefined
  #received = 0
  /** Nothing follows its head. */
  readonly #isBare: boolean
  /** Set when the stream has become a tunnel: its holder hears all that happens to it. */
  tunnel: TunnelStream | undefined

  constructor(server: Http2ServerConnection, id: number, head: RequestHead, hasBody: boolean, isFirst: boolean) {
    super(server, id)
    this.server = server
    this.#length = head.length
    this.#isBare = !hasBody
    this.exchange = new ServerExchange(this, head, hasBody, isFirst, server.connection)
  }

  switch(): TunnelStream {
    this.tunnel = new TunnelStream(this)
    // An end that came with the head is not told again; one that came behind data waits with it.
    if (this.#isBare) this.tunnel.onEndStream()
    return this.tunnel
  }

  onFields(list: string[]): void {
    // RFC 9113 §8.5: only DATA follows the head of a CONNECT.
    if (this.tunnel !== undefined) return this.tunnel.refuse()
    const trailers = readRequestTrailers(list)
    if (trailers instanceof Malformed) this.#broken(trailers)
    else this.exchange.trailers = trailers
  }

  onData(piece: Buffer): Consumed | void {
    const { exchange } = this
    if (this.tunnel !== undefined) return this.tunnel.onData(piece)
    if (exchange.isOver) return CONSUMED
    this.#received += piece.length
    if (this.#length !== undefined && this.#received > this.#length) {
      this.#broken(wrongLength)
      return CONSUMED
    }
    // A body that has begun to arrive needs no 100 (RFC 9110 §10.1.1).
    exchange.awaitsContinue = false
    exchange.bytesIn += piece.length
    return this.guard(() => exchange.owner.onBody(piece))
  }

  onEndStream(): void {
    const { exchange } = this
    if (this.tunnel !== undefined) return this.tunnel.onEndStream()
    if (exchange.isOver || exchange.upgrade !== undefined) return
    if (this.#length !== undefined && this.#received !== this.#length) return this.#broken(wrongLength)
    this.guard(() => exchange.owner.onBodyEnd())
  }

  onReset(_code: ErrorCode | undefined, cause?: Error): void {
    if (this.tunnel !== undefined) return this.tunnel.onReset(cause)
    if (cause !== undefined) this.server.report(new Malformed(cause.message), this.exchange)
    this.over(false)
  }

  onWritable(): void {
    const { exchange } = this
    if (this.tunnel !== undefined) return this.tunnel.onWritable()
    if (exchange.isOver) return
    if (!exchange.ended) this.guard(() => exchange.owner.onWritable())
  }

  override onFlushed(): void {
    if (this.tunnel !== undefined) return this.tunnel.onFlushed()
    // The answer is complete: what the client still sends is of no use (RFC 9113 §8.1).
    if (!this.hasEnded) this.reset(ErrorCode.NO_ERROR)
    this.over(true)
  }

  /** The last call of the owner. */
  over(isSent: boolean): void {
    const { exchange, server } = this
    if (exchange.isOver) return
    exchange.isOver = true
    this.guard(() => {
      // There is no owner yet when `onRequest` itself threw.
      const owner: ExchangeOwner | undefined = exchange.owner
      if (isSent) owner?.onSent()
      else owner?.onGone()
    })
    server.handler.onOver(exchange)
  }

  /** Calls the owner, whose fault must not reach the connection. */
  guard<T>(call: () => T): T | undefined {
    try {
      return call()
    } catch (error) {
      this.server.handler.onCrash(this.exchange, error)
      return undefined
    }
  }

  #broken(malformed: Malformed): void {
    this.reset(ErrorCode.PROTOCOL_ERROR)
    this.over(false)
    this.server.report(malformed, this.exchange)
  }
}

/** A request that is answered without an owner. */
export class RefusedStream extends Http2Stream {
  onFields(): void {}

  onData(): Consumed {
    return CONSUMED
  }

  onEndStream(): void {}
  onReset(): void {}
  onWritable(): void {}

  override onFlushed(): void {
    if (!this.hasEnded) this.reset(ErrorCode.NO_ERROR)
  }
}
