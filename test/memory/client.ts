import { type Duplex, duplexPair } from 'node:stream'
import { CONSUMED, type Exchange, type ExchangeOwner, type HttpConnection } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import type { Delivery } from '../../core/net/delivery.ts'
import { DuplexStream } from '../../core/net/duplex-stream.ts'

export interface MemoryRequest {
  readonly method?: string
  readonly path?: string
  /** Name, value, name, value. Default: `host: app.test`. */
  readonly fields?: readonly string[]
  /** Pieces in which the body arrives; without it there is none. */
  readonly body?: readonly string[]
  readonly trailers?: readonly string[]
  readonly upgrade?: string
  /** Whether it is the first of its connection. Default: true. */
  readonly isFirst?: boolean
  /** The body's end never arrives. */
  readonly stalls?: boolean
  /** How many bytes of the response the client takes before it has to be asked (`take`). Default: any number. */
  readonly window?: number
}

const peer = { address: '192.0.2.1', port: 50_000, localPort: 8080, tls: undefined, via: 'socket' } as const

/**
 * The client side of the seam without a socket: one request of a made-up client on an HTTP/2 connection, written against
 * core/http/exchange.ts alone. It counts what it is given, and fails when a promise of the seam is broken.
 */
export class MemoryExchange implements Exchange {
  readonly connection: HttpConnection = { peer }
  readonly version = '2'
  readonly method: string
  readonly rawTarget: string
  readonly fields: Fields
  readonly hasBody: boolean
  readonly isFirst: boolean
  readonly awaitsContinue = false
  readonly upgrade: string | undefined
  trailers: Fields | undefined
  bytesIn = 0
  bytesOut = 0
  owner!: ExchangeOwner

  status = 0
  response: Fields = new Fields()
  body = ''
  readonly interim: number[] = []
  sentTrailers: Fields | undefined
  isLast = false
  /** How it ended. */
  outcome: 'sent' | 'aborted' | 'gone' | undefined
  /** The client's end of a tunnel. */
  tunnel: Duplex | undefined
  readonly #request: MemoryRequest
  readonly #pieces: Buffer[]
  #window: number
  #receiving = false
  #stalls: boolean
  #paused = false
  #ended = false
  #bodyOver = false

  constructor(request: MemoryRequest) {
    this.#request = request
    this.method = request.method ?? 'GET'
    this.rawTarget = request.path ?? '/'
    this.fields = new Fields([...(request.fields ?? ['host', 'app.test'])])
    this.hasBody = request.body !== undefined
    this.isFirst = request.isFirst ?? true
    this.upgrade = request.upgrade
    this.#pieces = (request.body ?? []).map((piece) => Buffer.from(piece))
    this.#stalls = request.stalls ?? false
    this.#window = request.window ?? Number.POSITIVE_INFINITY
  }

  get isOver(): boolean {
    return this.outcome !== undefined
  }

  receive(): void {
    if (this.isOver || this.#receiving) return
    this.#receiving = true
    this.#feed()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    if (this.#receiving) setImmediate(() => this.#feed())
  }

  #feed(): void {
    while (!this.#paused && !this.isOver && !this.#bodyOver) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) {
        this.bytesIn += piece.length
        // Memory that was consumed is used again, as that of a socket is.
        if (this.owner.onBody(piece) === CONSUMED) piece.fill(0)
        continue
      }
      if (this.#stalls) return
      this.#bodyOver = true
      if (this.#request.trailers !== undefined) this.trailers = new Fields([...this.#request.trailers])
      this.owner.onBodyEnd()
    }
  }

  /** The client, which had stalled, sends more of the body. */
  send(text: string): void {
    this.#pieces.push(Buffer.from(text))
    if (this.#receiving) this.#feed()
  }

  /** It has sent all of it. */
  finish(): void {
    this.#stalls = false
    if (this.#receiving) this.#feed()
  }

  inform(status: number): void {
    if (!this.isOver && this.status === 0) this.interim.push(status)
  }

  makeLast(): void {
    this.isLast = true
  }

  respond(status: number, _reason: string, fields: Fields): void {
    if (this.isOver || this.status !== 0) return
    this.status = status
    this.response = new Fields([...fields.list, ...(fields.shared?.list ?? [])])
  }

  respondWhole(status: number, reason: string, fields: Fields, body: string): void {
    this.respond(status, reason, fields)
    if (this.method !== 'HEAD') this.write(Buffer.from(body, 'latin1'))
    this.end()
  }

  write(chunk: Uint8Array): boolean {
    if (this.isOver || this.#ended) return true
    if (this.status === 0) throw new Error('a body before its head')
    this.body += Buffer.from(chunk).toString()
    this.bytesOut += chunk.length
    this.#window -= chunk.length
    return this.#window > 0
  }

  /** The client takes more. */
  take(bytes: number): void {
    this.#window += bytes
    if (this.isOver || this.#window <= 0) return
    if (this.#ended) this.#complete()
    else this.owner.onWritable()
  }

  get isFlushed(): boolean {
    return this.#window > 0
  }

  get isHeldBack(): boolean {
    return this.#window <= 0
  }

  delivery(done: (delivery: Delivery) => void): void {
    const left = Math.max(0, -this.#window)
    setImmediate(done, { taken: this.bytesOut - left, left })
  }

  end(trailers?: Fields): void {
    if (this.isOver || this.#ended) return
    this.#ended = true
    this.sentTrailers = trailers
    if (this.#window > 0) this.#complete()
  }

  /** The client has taken the whole response. */
  #complete(): void {
    this.outcome = 'sent'
    this.owner.onSent()
  }

  abort(): void {
    if (this.isOver) return
    this.outcome = 'aborted'
    this.owner.onGone()
  }

  /** The client goes away. */
  leave(): void {
    if (this.isOver) return
    this.outcome = 'gone'
    this.owner.onGone()
  }

  switchProtocols(_protocol: string, fields: Fields): ByteStream | undefined {
    if (this.isOver || this.upgrade === undefined || this.status !== 0) return undefined
    this.status = 101
    this.response = fields
    const [ours, theirs] = duplexPair()
    this.tunnel = theirs
    return new DuplexStream(ours)
  }
}
