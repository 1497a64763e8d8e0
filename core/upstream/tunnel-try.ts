import type { PosternError } from '../errors.ts'
import type { Consumed, HttpVersion } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import type { Fate, UpstreamOwner, UpstreamPool, UpstreamRequest } from '../http/upstream-exchange.ts'
import { NoTunnel } from '../http2/client-connection.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { LaterExchange } from './later-exchange.ts'

/**
 * A WebSocket to a backend that has agreed on HTTP/2, and that takes WebSockets there (RFC 8441) or does not: its SETTINGS say it.
 * If it does not, nothing has been sent, and the request goes out over HTTP/1.1.
 */
export class TunnelTry implements UpstreamOwner {
  readonly exchange: LaterExchange
  readonly #older: () => UpstreamPool
  readonly #request: UpstreamRequest
  readonly #timeout: number
  readonly #owner: UpstreamOwner
  readonly #since = performance.now()

  /**
   * @param pool of HTTP/2
   * @param older the pool of HTTP/1.1, when it is needed
   * @param timeout until a connection is established, whichever it is, ms
   * @param owner with `onUpgrade`
   */
  constructor(
    pool: UpstreamPool,
    older: () => UpstreamPool,
    request: UpstreamRequest,
    timeout: number,
    owner: UpstreamOwner,
  ) {
    this.#older = older
    this.#request = request
    this.#timeout = timeout
    this.#owner = owner
    this.exchange = new LaterExchange()
    this.exchange.follow(pool.send(request, timeout, this))
  }

  onFail(error: PosternError, fate?: Fate): void {
    if (!(error instanceof NoTunnel)) return this.#owner.onFail(error, fate)
    const rest = Math.max(1, this.#timeout - (performance.now() - this.#since))
    this.exchange.follow(this.#older().send(this.#request, rest, this.#owner))
  }

  onConnected(): void {
    this.#owner.onConnected()
  }

  onBodyWanted(): void {
    this.#owner.onBodyWanted()
  }

  onInterim(status: number, fields: Fields): void {
    this.#owner.onInterim?.(status, fields)
  }

  onHead(status: number, reason: string, fields: Fields, version: HttpVersion): void {
    this.#owner.onHead(status, reason, fields, version)
  }

  onData(chunk: Uint8Array): Consumed | void {
    return this.#owner.onData(chunk)
  }

  onEnd(): void {
    this.#owner.onEnd()
  }

  onUpgrade(fields: Fields, stream: ByteStream, version: HttpVersion): void {
    this.#owner.onUpgrade!(fields, stream, version)
  }
}
