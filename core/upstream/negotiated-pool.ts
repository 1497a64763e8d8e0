import { PosternError } from '../errors.ts'
import type { UpstreamExchange, UpstreamOwner, UpstreamPool, UpstreamRequest } from '../http/upstream-exchange.ts'
import { ConnectionPool } from '../http1/connection-pool.ts'
import { type SessionLimits, sessionLimits } from '../http2/client-connection.ts'
import { Http2Pool } from '../http2/connection-pool.ts'
import { asksForTunnel } from '../http2/request-list.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { type Address, type ConnectDone, type connectTo, greetingBy } from '../net/connect.ts'
import { streamOfTls } from '../net/tls-stream.ts'
import { type SocketDone, TlsConnector } from '../tls/connect-tls.ts'
import { LaterExchange } from './later-exchange.ts'
import { TunnelTry } from './tunnel-try.ts'

type Version = '1.1' | '2'

/** A request that waits for what the backend speaks. @param error instead: it does not say */
type Waiting = (error: PosternError | undefined) => void

/**
 * The connections to a backend that says in its TLS handshakes which version of HTTP it speaks (ALPN). What it has said is
 * believed until a handshake says otherwise, as after a backend was replaced by another version of itself. WebSockets that
 * its sessions of HTTP/2 do not take (RFC 8441) have connections of HTTP/1.1.
 */
export class NegotiatedPool implements UpstreamPool {
  readonly #backend: Address
  readonly #tls: TlsConnector
  readonly #limits: SessionLimits
  readonly #greeting: Buffer | undefined
  /** What the backend has said last. */
  #version: Version | undefined
  #pool: UpstreamPool | undefined
  /** The connection on which it said so; the first one of the pool. */
  #spare: ByteStream | undefined
  /** The handshake that finds out what it speaks: one for all requests that wait. */
  #asking: { cancel(): void } | undefined
  #waiting = new Set<Waiting>()
  /** Where the backend is offered HTTP/1.1 alone. */
  #tunnels: ConnectionPool | undefined
  #closed = false

  /** @param greeting in which each connection begins. Default: none */
  constructor(
    backend: Address,
    tls: TlsConnector,
    limits: SessionLimits = sessionLimits,
    greeting?: Buffer | undefined,
  ) {
    this.#backend = backend
    this.#tls = tls
    this.#limits = limits
    this.#greeting = greeting
  }

  send(request: UpstreamRequest, connectTimeout: number, owner: UpstreamOwner): UpstreamExchange {
    if (this.#pool !== undefined) return this.#sendOn(this.#pool, request, connectTimeout, owner)
    const since = performance.now()
    const wait: Waiting = (error) => {
      if (this.#pool === undefined) return owner.onFail(error ?? new PosternError('GE', 'no connection'))
      const rest = Math.max(1, connectTimeout - (performance.now() - since))
      exchange.follow(this.#sendOn(this.#pool, request, rest, owner))
    }
    const waiting = this.#waiting
    const exchange = new LaterExchange(() => this.#leave(waiting, wait))
    waiting.add(wait)
    if (waiting.size === 1) this.#ask(connectTimeout)
    return exchange
  }

  #sendOn(pool: UpstreamPool, request: UpstreamRequest, timeout: number, owner: UpstreamOwner): UpstreamExchange {
    const isTunnel = this.#version === '2' && owner.onUpgrade !== undefined && asksForTunnel(request)
    if (!isTunnel) return pool.send(request, timeout, owner)
    return new TunnelTry(pool, () => this.#tunnelPool(), request, timeout, owner).exchange
  }

  #tunnelPool(): UpstreamPool {
    if (this.#tunnels === undefined) {
      const older = new TlsConnector(this.#tls.context.offering(['http/1.1']))
      const connect = greetingBy(older.connectTo, this.#greeting)
      this.#tunnels = new ConnectionPool(this.#backend, connect, this.#limits)
      if (this.#closed) this.#tunnels.close()
    }
    return this.#tunnels
  }

  close(): void {
    this.#closed = true
    this.#spare?.destroy()
    this.#spare = undefined
    this.#pool?.close()
    this.#tunnels?.close()
  }

  #ask(timeout: number): void {
    this.#asking = this.#connect(timeout, (error, socket) => {
      this.#asking = undefined
      // One that is told may cancel others, and send anew.
      const waiting = this.#waiting
      this.#waiting = new Set()
      if (socket !== undefined) this.#learn(socket.alpnProtocol === 'h2' ? '2' : '1.1', streamOfTls(socket))
      for (const wait of waiting) {
        waiting.delete(wait)
        wait(error)
      }
    })
  }

  #connect(timeout: number, done: SocketDone): { cancel(): void } {
    return this.#tls.connectSocket(this.#backend, timeout, done, this.#greeting)
  }

  /** A request is cancelled; when none waits any more, the handshake is too. */
  #leave(waiting: Set<Waiting>, wait: Waiting): void {
    waiting.delete(wait)
    if (waiting === this.#waiting && waiting.size === 0) this.#asking?.cancel()
  }

  #learn(version: Version, stream: ByteStream): void {
    this.#spare?.destroy()
    this.#spare = stream
    if (this.#version === version && this.#pool !== undefined) return
    this.#pool?.close()
    this.#version = version
    const connect = this.#connectorOf(version)
    const Pool = version === '2' ? Http2Pool : ConnectionPool
    this.#pool = new Pool(this.#backend, connect, this.#limits)
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
      return this.#connect(timeout, (error, socket) => {
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
