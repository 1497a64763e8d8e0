import type { IncomingMessage, ServerResponse } from 'node:http'
import { Fields } from '../http1/fields.ts'
import type { Exchange, ExchangeOwner, HttpConnection } from './exchange.ts'

/** An exchange carried by node:http. */
export class NodeExchange implements Exchange {
  readonly connection: HttpConnection
  readonly version: '1.0' | '1.1'
  readonly method: string
  readonly rawTarget: string
  readonly fields: Fields
  readonly hasBody: boolean
  bytesIn = 0
  bytesOut = 0
  owner!: ExchangeOwner
  readonly #message: IncomingMessage
  readonly #response: ServerResponse
  readonly #isLast: () => boolean

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    connection: HttpConnection,
    listener: { onOver(): void; isLast(): boolean },
  ) {
    this.#message = message
    this.#response = response
    this.#isLast = listener.isLast
    this.connection = connection
    this.version = message.httpVersion === '1.0' ? '1.0' : '1.1'
    this.method = message.method ?? ''
    this.rawTarget = message.url ?? ''
    this.fields = Fields.fromRaw(message.rawHeaders)
    const length = message.headers['content-length']
    this.hasBody = message.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
    response.on('drain', () => this.owner.onWritable())
    response.on('close', () => {
      // `close` without `finish`: the socket went before the kernel had everything.
      if (response.writableFinished) this.owner.onSent()
      else this.owner.onGone()
      listener.onOver()
    })
    // A client's reset is told by `close`.
    response.on('error', () => {})
    message.on('error', () => {})
  }

  receive(): void {
    this.#message.on('data', (chunk: Buffer) => {
      this.bytesIn += chunk.length
      this.owner.onBody(chunk)
    })
    this.#message.on('end', () => this.owner.onBodyEnd())
  }

  pause(): void {
    this.#message.pause()
  }

  resume(): void {
    this.#message.resume()
  }

  respond(status: number, reason: string, fields: Fields): void {
    if (this.#isLast()) fields.set('connection', 'close')
    this.#response.writeHead(status, reason, fields.list)
  }

  write(chunk: Uint8Array): boolean {
    this.bytesOut += chunk.length
    return this.#response.write(chunk)
  }

  end(): void {
    this.#response.end()
  }

  abort(): void {
    this.#message.socket.resetAndDestroy()
  }
}
