import type { UpstreamOwner, UpstreamPool, UpstreamRequest } from '../http/upstream-exchange.ts'
import { connectTo } from '../net/connect.ts'
import type { ClientConnection } from './client-connection.ts'
import { ClientExchange } from './client-exchange.ts'

/** Most idle connections kept to one backend. */
const maxIdle = 1024

/** Where the connections of a pool lead. */
export interface PoolBackend {
  readonly host: string
  readonly port: number
  readonly address: string
}

/**
 * The connections to one backend that wait for the next request. The last one used is the first one used again: it is the
 * least likely to be closed by the other side, and the ones not needed any more grow old and go.
 */
export class ConnectionPool implements UpstreamPool {
  readonly backend: PoolBackend
  readonly connectTo: typeof connectTo
  readonly #idle: ClientConnection[] = []
  #closed = false

  /** @param connect opens a connection, plain by default; over TLS the socket is handed on once its handshake is done. */
  constructor(backend: PoolBackend, connect: typeof connectTo = connectTo) {
    this.backend = backend
    this.connectTo = connect
  }

  /** Idle connections at the moment. */
  get idle(): number {
    return this.#idle.length
  }

  send(request: UpstreamRequest, connectTimeout: number, owner: UpstreamOwner): ClientExchange {
    const exchange = new ClientExchange(request, owner, this, connectTimeout)
    for (;;) {
      const connection = this.#idle.pop()
      if (connection === undefined) exchange.connect()
      else if (connection.usable) exchange.use(connection)
      else continue
      return exchange
    }
  }

  /** Takes a connection whose exchange was complete on both sides. False when it is not to be kept. */
  put(connection: ClientConnection): boolean {
    if (this.#closed || this.#idle.length >= maxIdle) return false
    this.#idle.push(connection)
    return true
  }

  /** A connection has gone. */
  remove(connection: ClientConnection): void {
    const at = this.#idle.lastIndexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
  }

  /** Closes what is idle now; what is under way ends by itself and is not kept. */
  close(): void {
    this.#closed = true
    for (const connection of this.#idle.splice(0)) connection.destroy()
  }
}
