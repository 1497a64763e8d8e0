import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { PosternError } from '../../core/errors.ts'
import type { Exchange, ExchangeOwner, HalfClose, ServerHandler } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import { removeHopByHop } from '../../core/http/hop-by-hop.ts'
import type { Malformed } from '../../core/http/malformed.ts'
import type { UpstreamExchange, UpstreamOwner } from '../../core/http/upstream-exchange.ts'
import { ConnectionPool } from '../../core/http1/connection-pool.ts'
import { ServerConnection } from '../../core/http1/server-connection.ts'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { peerOf } from '../../core/net/peer.ts'
import { pipe } from '../../core/upstream/pipe.ts'
import { carrier } from './transport.ts'

export interface Relay {
  readonly port: number
  readonly pool: ConnectionPool
  readonly timeouts: { head: number; keepAlive: number }
  halfClose: HalfClose
  readonly connections: Set<ServerConnection>
  /** Whether short bodies are relayed together with their heads. Default: false. */
  whole: boolean
  /** How each exchange ended: `sent`, `gone`, or the code of an error. */
  readonly ends: string[]
  /** What was refused as malformed. */
  readonly refused: Malformed[]
  /** What to do instead of relaying. */
  answer: ((exchange: Exchange) => ExchangeOwner) | undefined
}

/** Both codecs back to back with as little as possible between them, in front of a backend; closed with the test. */
export async function startRelay(backendPort: number): Promise<Relay> {
  const pool = new ConnectionPool(
    { host: '127.0.0.1', port: backendPort, address: `127.0.0.1:${backendPort}` },
    carrier().connectTo,
  )
  const connections = new Set<ServerConnection>()
  const state = {
    pool,
    connections,
    port: 0,
    timeouts: { head: 10_000, keepAlive: 10_000 },
    halfClose: 'cancel' as HalfClose,
    whole: false,
    ends: [] as string[],
    refused: [] as Malformed[],
    answer: undefined as Relay['answer'],
  }
  const handler: ServerHandler = {
    timeouts: state.timeouts,
    get halfClose() {
      return state.halfClose
    },
    onRequest(exchange) {
      const Flow = state.whole ? WholeFlow : RelayFlow
      if (state.answer === undefined) new Flow(exchange, pool, state.ends).start()
      else exchange.owner = state.answer(exchange)
    },
    onOver() {},
    onMalformed(session, malformed) {
      state.refused.push(malformed)
      session.refuse(malformed.status, new Fields(), Buffer.from(malformed.problem))
    },
    onCrash(exchange, error) {
      state.ends.push(`crash ${(error as Error).message}`)
      exchange.abort()
    },
    onClose: (session) => void connections.delete(session as ServerConnection),
  }
  const accept = (stream: ByteStream): void => {
    connections.add(new ServerConnection(stream, { peer: peerOf(stream) }, handler))
  }
  const server = await carrier().listen(accept)
  state.port = (server.address() as AddressInfo).port
  onTestFinished(() => {
    server.close()
    pool.close()
    for (const connection of connections) connection.abort()
  })
  return state
}

/** What a flow does, without policies: one request there, one response back. */
class RelayFlow implements ExchangeOwner, UpstreamOwner {
  protected readonly exchange: Exchange
  readonly #pool: ConnectionPool
  readonly #ends: string[]
  #forwarding!: UpstreamExchange
  #received = false
  #responded = false

  constructor(exchange: Exchange, pool: ConnectionPool, ends: string[]) {
    this.exchange = exchange
    this.#pool = pool
    this.#ends = ends
    exchange.owner = this
  }

  start(): void {
    const { method, rawTarget, fields, hasBody, upgrade } = this.exchange
    removeHopByHop(fields)
    this.#forwarding = this.#pool.send({ method, target: rawTarget, fields, hasBody, upgrade }, 5000, this)
  }

  onConnected(): void {}
  onBodyWanted(): void {
    if (this.#received) this.exchange.resume()
    else this.exchange.receive()
    this.#received = true
  }
  onBody(chunk: Uint8Array): void {
    if (!this.#forwarding.write(chunk)) this.exchange.pause()
  }
  onBodyEnd(): void {
    this.#forwarding.end(this.exchange.trailers)
  }
  onInterim(status: number, fields: Fields): void {
    if (status !== 100) this.exchange.inform(status, fields)
  }
  onUpgrade(fields: Fields, backend: ByteStream): void {
    removeHopByHop(fields)
    const client = this.exchange.switchProtocols(this.exchange.upgrade!, fields)!
    pipe(client, backend, { idle: 10_000, onEnd: () => this.exchange.end() })
  }
  onHead(status: number, reason: string, fields: Fields): void {
    removeHopByHop(fields)
    this.#responded = true
    this.exchange.respond(status, reason, fields)
  }
  onData(chunk: Uint8Array): void {
    if (!this.exchange.write(chunk)) this.#forwarding.pause()
  }
  onWritable(): void {
    this.#forwarding.resume()
  }
  onEnd(): void {
    this.exchange.end(this.#forwarding.trailers)
  }
  onFail(error: PosternError): void {
    this.#ends.push(error.code)
    if (this.#responded) return this.exchange.abort()
    this.exchange.respond(error.status, '', new Fields(['content-length', '0', 'x-outcome', error.code]))
    this.exchange.end()
  }
  onSent(): void {
    this.#ends.push('sent')
  }
  onGone(): void {
    this.#ends.push('gone')
    this.#forwarding.cancel()
  }
}

/** The same, for owners that take a short body together with its head. */
class WholeFlow extends RelayFlow {
  onWhole(status: number, reason: string, fields: Fields, _version: string, body: string): void {
    removeHopByHop(fields)
    this.exchange.respondWhole(status, reason, fields, body)
  }
}
