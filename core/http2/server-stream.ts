import { CONSUMED, type Consumed, type ExchangeOwner } from '../http/exchange.ts'
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
  /** The client's direction ended with the head. */
  readonly #isEmpty: boolean
  /** What the stream has become: its holder hears all that happens to it. */
  tunnel: TunnelStream | undefined

  constructor(server: Http2ServerConnection, id: number, head: RequestHead, isEmpty: boolean, isFirst: boolean) {
    super(server, id)
    this.server = server
    this.#length = head.length
    this.#isEmpty = isEmpty
    // What follows the head of an extended CONNECT belongs to its tunnel (RFC 8441 §5).
    const hasBody = !isEmpty && head.protocol === undefined
    this.exchange = new ServerExchange(this, head, hasBody, isFirst, server.connection)
  }

  /** What arrives belongs to the holder of the tunnel from now on. */
  switch(): TunnelStream {
    this.tunnel = new TunnelStream(this)
    // An end that came with the head is not told again; one that came behind data waits with it.
    if (this.#isEmpty) this.tunnel.onEndStream()
    return this.tunnel
  }

  onFields(list: string[]): void {
    // RFC 9113 §8.5: only DATA follows the head of a CONNECT.
    if (this.tunnel !== undefined) return this.tunnel.refuse()
    const trailers = readRequestTrailers(list)
    if (trailers instanceof Malformed) this.#broken(trailers)
    else this.exchange.trailers = trailers
  }

  onData(piece: Buffer): Consumed | undefined {
    const { exchange, tunnel } = this
    if (tunnel !== undefined) return tunnel.onData(piece)
    if (exchange.isOver) return CONSUMED
    this.#received += piece.length
    if (this.#length !== undefined && this.#received > this.#length) {
      this.#broken(wrongLength)
      return CONSUMED
    }
    // A body that has begun to arrive needs no 100 (RFC 9110 §10.1.1).
    exchange.awaitsContinue = false
    exchange.bytesIn += piece.length
    try {
      return exchange.owner.onBody(piece) === CONSUMED ? CONSUMED : undefined
    } catch (error) {
      this.server.handler.onCrash(exchange, error)
      return undefined
    }
  }

  onEndStream(): void {
    const { exchange, tunnel } = this
    if (tunnel !== undefined) return tunnel.onEndStream()
    if (exchange.isOver) return
    if (this.#length !== undefined && this.#received !== this.#length) return this.#broken(wrongLength)
    this.guard(() => exchange.owner.onBodyEnd())
  }

  onReset(code: ErrorCode | undefined, cause?: Error): void {
    const { exchange, tunnel } = this
    if (tunnel !== undefined) return tunnel.onReset(cause)
    const isMalformed = code !== undefined && cause !== undefined && !exchange.isOver
    this.over(false)
    if (isMalformed) this.server.report(new Malformed(cause.message), exchange)
  }

  onWritable(): void {
    const { exchange, tunnel } = this
    if (tunnel !== undefined) return tunnel.onWritable()
    if (!exchange.isOver && !exchange.ended) this.guard(() => exchange.owner.onWritable())
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
