import { PosternError } from '../errors.ts'
import type { Fields } from '../http/fields.ts'
import type { Fate, UpstreamExchange, UpstreamOwner, UpstreamRequest } from '../http/upstream-exchange.ts'
import { afterRead, type Deferred } from '../net/after-read.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { Delivery } from '../net/delivery.ts'
import { ClientConnection } from './client-connection.ts'
import type { ConnectionPool } from './connection-pool.ts'

/**
 * A request under way on a backend's connection. After its end every method does nothing: a late call of an owner cannot
 * affect the next exchange.
 */
export class ClientExchange implements UpstreamExchange, Deferred {
  readonly request: UpstreamRequest
  readonly owner: UpstreamOwner
  /** Trailers of the response, once its body is complete; kept apart from its fields (RFC 9110 §6.5.1). */
  trailers: Fields | undefined
  paused = false
  /** The request is complete. */
  sent = false
  /** The owner gets no more calls. */
  over = false
  connection: ClientConnection | undefined
  readonly #pool: ConnectionPool
  readonly #connectTimeout: number
  #connecting: { cancel(): void } | undefined

  constructor(request: UpstreamRequest, owner: UpstreamOwner, pool: ConnectionPool, connectTimeout: number) {
    this.request = request
    this.owner = owner
    this.#pool = pool
    this.#connectTimeout = connectTimeout
  }

  /** Sends the request on an idle connection, after the caller has returned. */
  use(connection: ClientConnection): void {
    this.connection = connection
    afterRead(this)
  }

  runDeferred(): void {
    this.connection!.begin(this)
  }

  /** Sends the request on a new connection. */
  connect(): void {
    const connected = (error: PosternError | undefined, stream: ByteStream | undefined): void => {
      this.#connecting = undefined
      if (stream === undefined) return this.fail(error ?? new PosternError('GE', 'no connection'))
      this.connection = new ClientConnection(stream, this.#pool)
      this.connection.begin(this)
    }
    this.connection = undefined
    this.#connecting = this.#pool.connectTo(this.#pool.backend, this.#connectTimeout, connected)
  }

  fail(error: PosternError, fate?: Fate): void {
    if (this.over) return
    this.over = true
    this.owner.onFail(error, fate)
  }

  write(chunk: Uint8Array): boolean {
    if (this.over || this.sent) return true
    return this.connection?.write(chunk) ?? false
  }

  get isFlushed(): boolean {
    return this.connection?.isFlushed ?? false
  }

  delivery(done: (delivery: Delivery) => void): void {
    this.connection?.delivery(done)
  }

  /** The request's body is complete; trailers are sent only when it is chunked. */
  end(trailers?: Fields): void {
    if (this.over || this.sent || this.connection === undefined) return
    this.sent = true
    this.connection.end(trailers)
  }

  pause(): void {
    if (this.over) return
    this.paused = true
    this.connection?.adjustFlow()
  }

  resume(): void {
    if (this.over) return
    this.paused = false
    this.connection?.pump()
  }

  cancel(): void {
    if (this.over) return
    this.over = true
    this.#connecting?.cancel()
    // A connection on which this exchange has not begun returns to the pool: see `ClientConnection.begin`.
    if (this.connection?.exchange === this) this.connection.destroy()
  }
}
