// The global of the same name is a getter.
import { performance } from 'node:perf_hooks'
import type { Reuse, UpstreamOwner, UpstreamPool, UpstreamRequest } from '../http/upstream-exchange.ts'
import { type Address, connectTo } from '../net/connect.ts'
import type { ClientConnection } from './client-connection.ts'
import { ClientExchange } from './client-exchange.ts'

/** Most idle connections kept to one backend. */
const maxIdle = 1024

/**
 * Longest idle time of a proven connection, ms. It is also half of the shortest time, 2 s, for which a backend can say that it
 * keeps a connection of a pool: see `idleMargin`.
 */
const maxProvenIdle = 1000

export interface PoolLimits {
  /** Age from which a connection takes no more requests, ms; infinite: none. */
  readonly maxAge: number
}

const noLimits: PoolLimits = { maxAge: Number.POSITIVE_INFINITY }

/**
 * The idle connections to one backend. The most recently used one is used first: the backend is least likely to have closed
 * it, and the surplus ones reach their idle timeout.
 */
export class ConnectionPool implements UpstreamPool {
  readonly backend: Address
  readonly connectTo: typeof connectTo
  readonly #idle: ClientConnection[] = []
  readonly #limits: PoolLimits
  #closed = false

  /**
   * @param connect opens a connection. Default: plain TCP; one for TLS calls back when the handshake is complete.
   * @param limits read whenever they matter. Default: none.
   */
  constructor(backend: Address, connect: typeof connectTo = connectTo, limits: PoolLimits = noLimits) {
    this.backend = backend
    this.connectTo = connect
    this.#limits = limits
  }

  /** Idle connections at the moment. */
  get idle(): number {
    return this.#idle.length
  }

  send(request: UpstreamRequest, connectTimeout: number, owner: UpstreamOwner): ClientExchange {
    const exchange = new ClientExchange(request, owner, this, connectTimeout)
    const connection = this.#take(request.reuse)
    if (connection === undefined) exchange.connect()
    else exchange.use(connection)
    return exchange
  }

  #take(reuse: Reuse = 'any'): ClientConnection | undefined {
    if (reuse === 'proven') return this.#takeProven()
    while (reuse === 'any') {
      const connection = this.#idle.pop()
      if (connection === undefined || connection.usable) return connection
    }
    return undefined
  }

  #takeProven(): ClientConnection | undefined {
    const now = performance.now()
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const connection = this.#idle[i]!
      const idle = now - connection.idleSince
      // Those before it have been idle for longer.
      if (idle >= maxProvenIdle) return undefined
      if (connection.uses < 2 || !connection.usable) continue
      this.#idle.splice(i, 1)
      return connection
    }
    return undefined
  }

  /** Adds a connection whose exchange was complete on both sides. False: the pool does not want it, so the caller closes it. */
  put(connection: ClientConnection): boolean {
    if (this.#closed || this.#idle.length >= maxIdle || connection.age.isOver(this.#limits.maxAge)) return false
    this.#idle.push(connection)
    return true
  }

  /** A connection has closed. */
  remove(connection: ClientConnection): void {
    const index = this.#idle.lastIndexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
  }

  /** Closes the idle connections; those in use are closed when their exchange ends. */
  close(): void {
    this.#closed = true
    for (const connection of this.#idle.splice(0)) connection.destroy()
  }
}
