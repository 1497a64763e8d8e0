import { PosternError } from '../errors.ts'
import type { Fields } from '../http/fields.ts'
import type { UpstreamExchange, UpstreamOwner, UpstreamPool, UpstreamRequest } from '../http/upstream-exchange.ts'
import { ConnectionPool } from '../http1/connection-pool.ts'
import { Http2Pool } from '../http2/connection-pool.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { Address, ConnectDone, connectTo } from '../net/connect.ts'
import type { Delivery } from '../net/delivery.ts'
import { streamOfTls } from '../net/tls-stream.ts'
import type { TlsConnector } from '../tls/connect-tls.ts'

type Version = '1.1' | '2'

/**
 * The connections to a backend that says in its TLS handshakes which version of HTTP it speaks (ALPN). What it has said is
 * believed until a handshake says otherwise, as after a backend was replaced by another version of itself.
 */
export class NegotiatedPool implements UpstreamPool {
  readonly #backend: Address
  readonly #tls: TlsConnector
  /** What the backend has said last. */
  #version: Version | undefined
  #pool: UpstreamPool | undefined
  /** The connection on which it said so; the first one of the pool. */
  #spare: ByteStream | undefined
  #closed = false

  constructor(backend: Address, tls: TlsConnector) {
    this.#backend = backend
    this.#tls = tls
  }

  send(request: UpstreamRequest, connectTimeout: number, owner: UpstreamOwner): UpstreamExchange {
    if (this.#pool !== undefined) return this.#pool.send(request, connectTimeout, owner)
    return new Undecided(this, request, connectTimeout, owner)
  }

  close(): void {
    this.#closed = true
    this.#spare?.destroy()
    this.#spare = undefined
    this.#pool?.close()
  }

  /** Finds out what the backend speaks. @param done is given the pool for that */
  ask(
    timeout: number,
    done: (error: PosternError | undefined, pool: UpstreamPool | undefined) => void,
  ): { cancel(): void } {
    return this.#tls.connectSocket(this.#backend, timeout, (error, socket) => {
      if (socket === undefined) return done(error, undefined)
      const version = socket.alpnProtocol === 'h2' ? '2' : '1.1'
      const stream = streamOfTls(socket)
      // Requests that came together ask together.
      if (this.#version === version && this.#spare !== undefined) stream.destroy()
      else this.#learn(version, stream)
      done(undefined, this.#pool)
    })
  }

  #learn(version: Version, stream: ByteStream): void {
    this.#spare?.destroy()
    this.#spare = stream
    if (this.#version === version && this.#pool !== undefined) return
    this.#pool?.close()
    this.#version = version
    const connect = this.#connectorOf(version)
    this.#pool = version === '2' ? new Http2Pool(this.#backend, connect) : new ConnectionPool(this.#backend, connect)
    // Its exchanges go on, and it keeps no connection.
    if (this.#closed) this.#pool.close()
  }

  /** Opens connections for the pool of that version. */
  #connectorOf(version: Version): typeof connectTo {
    return (backend: Address, timeout: number, done: ConnectDone) => {
      const spare = this.#version === version ? this.#spare : undefined
      if (spare?.isOpen) {
        this.#spare = undefined
        let isCancelled = false
        process.nextTick(() => (isCancelled ? spare.destroy() : done(undefined, spare)))
        return {
          cancel(): void {
            isCancelled = true
          },
        }
      }
      return this.#tls.connectSocket(backend, timeout, (error, socket) => {
        if (socket === undefined) return done(error, undefined)
        const agreed = socket.alpnProtocol === 'h2' ? '2' : '1.1'
        const stream = streamOfTls(socket)
        if (agreed === version) return done(undefined, stream)
        this.#learn(agreed, stream)
        done(new PosternError('UF', `${backend.address}: the backend now speaks HTTP/${agreed}`), undefined)
      })
    }
  }
}

/** A request to a backend of which nothing is known yet. */
class Undecided implements UpstreamExchange {
  readonly #asking: { cancel(): void }
  #exchange: UpstreamExchange | undefined
  #isPaused = false

  constructor(pool: NegotiatedPool, request: UpstreamRequest, timeout: number, owner: UpstreamOwner) {
    const since = performance.now()
    this.#asking = pool.ask(timeout, (error, decided) => {
      if (decided === undefined) return owner.onFail(error ?? new PosternError('GE', 'no connection'))
      const rest = Math.max(1, timeout - (performance.now() - since))
      this.#exchange = decided.send(request, rest, owner)
      if (this.#isPaused) this.#exchange.pause()
    })
  }

  get trailers(): Fields | undefined {
    return this.#exchange?.trailers
  }

  get isRefusable(): boolean {
    return this.#exchange?.isRefusable ?? false
  }

  get isFlushed(): boolean {
    return this.#exchange?.isFlushed ?? false
  }

  write(chunk: Uint8Array): boolean {
    return this.#exchange?.write(chunk) ?? false
  }

  delivery(done: (delivery: Delivery) => void): void {
    this.#exchange?.delivery(done)
  }

  end(trailers?: Fields): void {
    this.#exchange?.end(trailers)
  }

  pause(): void {
    this.#isPaused = true
    this.#exchange?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#exchange?.resume()
  }

  cancel(): void {
    this.#asking.cancel()
    this.#exchange?.cancel()
  }
}
