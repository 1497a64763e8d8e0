import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Exchange, ExchangeOwner, HttpSession, ServerHandler } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import { Http2ServerConnection } from '../../core/http2/server-connection.ts'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { peerOf } from '../../core/net/peer.ts'
import { carrier } from '../http1/transport.ts'

/** A request as a codec read it, ours or node's. */
export interface Reading {
  readonly method: string
  readonly target: string
  /** Names and values in turn, without pseudo-headers; `:authority` is `host`, and cookies are one line. */
  readonly fields: readonly string[]
  body: Buffer
  trailers: readonly string[]
  /** Whether its end has come. */
  isWhole: boolean
}

export interface Codec {
  readonly port: number
  /** Of the connection from this port of the client, in the order of the streams. */
  readonly readings: (clientPort: number) => readonly Reading[]
  /** Lets go of what came on a connection. */
  readonly forget: (clientPort: number) => void
}

/**
 * The codec by itself: takes whatever comes, and answers each whole request with its body, its fields as `x-saw` and its
 * trailers.
 */
export async function startCodec(): Promise<Codec> {
  const all = new Map<number, Reading[]>()
  const sessions = new Set<HttpSession>()
  const accept = (stream: ByteStream): void => {
    const readings: Reading[] = []
    const peer = peerOf(stream)
    all.set(peer.port, readings)
    const handler: ServerHandler = {
      timeouts: { head: 10_000, keepAlive: 10_000 },
      halfClose: 'serve',
      onRequest: (exchange) => void new Echo(exchange, readings),
      onOver() {},
      onMalformed() {},
      onCrash(_, error) {
        throw error
      },
      onClose: (session) => void sessions.delete(session),
    }
    const session = new Http2ServerConnection(stream, { peer }, handler)
    sessions.add(session)
  }
  const server = await carrier().listen(accept)
  onTestFinished(() => {
    server.close()
    for (const session of sessions) session.abort()
  })
  return {
    port: (server.address() as AddressInfo).port,
    readings: (port) => all.get(port) ?? [],
    forget: (port) => void all.delete(port),
  }
}

class Echo implements ExchangeOwner {
  readonly #exchange: Exchange
  readonly #reading: Reading
  readonly #chunks: Buffer[] = []
  #at = 0

  constructor(exchange: Exchange, readings: Reading[]) {
    const { method, rawTarget, fields } = exchange
    this.#exchange = exchange
    this.#reading = {
      method,
      target: rawTarget,
      fields: [...fields.list],
      body: Buffer.alloc(0),
      trailers: [],
      isWhole: false,
    }
    readings.push(this.#reading)
    exchange.owner = this
    exchange.receive()
  }

  onBody(chunk: Uint8Array): void {
    this.#chunks.push(Buffer.from(chunk))
  }

  onBodyEnd(): void {
    const { trailers } = this.#exchange
    Object.assign(this.#reading, {
      body: Buffer.concat(this.#chunks),
      trailers: [...(trailers?.list ?? [])],
      isWhole: true,
    })
    const own = ['x-sum', String(this.#reading.body.length), ...this.#reading.fields.filter(isOwn)]
    this.#exchange.respond(200, '', new Fields(own))
    this.onWritable()
  }

  onWritable(): void {
    const { body, trailers } = this.#reading
    while (this.#at < body.length) {
      const chunk = body.subarray(this.#at, this.#at + 10_000)
      this.#at += chunk.length
      if (!this.#exchange.write(chunk)) return
    }
    this.#exchange.end(trailers.length > 0 ? new Fields([...trailers]) : undefined)
  }

  onSent(): void {}
  onGone(): void {}
}

/** Fields `x-…`, with their values. */
function isOwn(_: string, index: number, list: readonly string[]): boolean {
  return list[index - (index % 2)]!.startsWith('x-')
}
