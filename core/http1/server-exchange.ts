import { hasNoBody, parseLength } from '../http/body-length.ts'
import type { Exchange, ExchangeOwner, HttpConnection } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { Delivery } from '../net/delivery.ts'
import { connectionOptions, isPersistent, UPGRADE } from './connection-options.ts'
import { encodeInterimHead, encodeResponseHead } from './encode-head.ts'
import { CHUNKED, type Framing, NO_BODY, UNTIL_CLOSE } from './framing.ts'
import type { RequestHead } from './parse-head.ts'
import type { ServerConnection } from './server-connection.ts'

/**
 * One request and its response on an HTTP/1.1 connection. After its end every method does nothing: a late call of an owner
 * cannot affect the next exchange.
 */
export class ServerExchange implements Exchange {
  readonly connection: HttpConnection
  readonly version: '1.0' | '1.1'
  readonly method: string
  readonly rawTarget: string
  readonly fields: Fields
  readonly hasBody: boolean
  readonly isFirst: boolean
  /** Protocol that the client asks to switch to; `undefined` when it asks for none. */
  readonly upgrade: string | undefined
  /** Trailers of the request, once its body is complete; kept apart from its fields (RFC 9110 §6.5.1). */
  trailers: Fields | undefined
  bytesIn = 0
  bytesOut = 0
  /** Set by the listener inside `onRequest`, before anything else happens. */
  owner!: ExchangeOwner
  /** Whether the client waits for a 100 before it sends the body. */
  awaitsContinue: boolean
  received = false
  paused = false
  responded = false
  ended = false
  released = false
  readonly isHeldBack = false
  readonly #carrier: ServerConnection
  readonly #persistent: boolean

  constructor(carrier: ServerConnection, head: RequestHead, isFirst: boolean) {
    const { version, method, fields } = head
    const options = connectionOptions(fields)
    this.#carrier = carrier
    this.connection = carrier.connection
    this.version = version
    this.method = method
    this.rawTarget = head.target
    this.fields = fields
    this.hasBody = head.framing !== 0
    this.isFirst = isFirst
    this.upgrade =
      (options & UPGRADE) !== 0 && version === '1.1' && method !== 'CONNECT' ? fields.get('upgrade') : undefined
    // Bytes after a CONNECT are not a request, whatever the response is.
    this.#persistent = isPersistent(version, options) && method !== 'CONNECT'
    // An empty `Expect` expects nothing, and who has begun to send the body does not wait (RFC 9110 §10.1.1).
    this.awaitsContinue = this.hasBody && version === '1.1' && !!fields.get('expect') && !carrier.hasMore
  }

  /** Whether the client has announced that no request follows this one. */
  get announcesLast(): boolean {
    return this.version === '1.0' || !this.#persistent
  }

  /** Whether the client sends nothing after this request, as it has said (RFC 9112 §9.6). Bytes of a tunnel may follow a CONNECT. */
  get sendsNoMore(): boolean {
    return !this.#persistent && this.method !== 'CONNECT'
  }

  get #current(): boolean {
    return this.#carrier.exchange === this
  }

  receive(): void {
    if (!this.#current || this.received) return
    this.received = true
    this.#carrier.receive(this)
  }

  makeLast(): void {
    if (this.#current) this.#carrier.makeLast()
  }

  pause(): void {
    if (!this.#current) return
    this.paused = true
    this.#carrier.adjustFlow()
  }

  resume(): void {
    if (!this.#current) return
    this.paused = false
    this.#carrier.pump()
  }

  inform(status: number, fields?: Fields): void {
    if (!this.#current || this.responded || this.version === '1.0') return
    if (status === 100) this.awaitsContinue = false
    this.#carrier.writer.interim(encodeInterimHead(status, fields))
  }

  respond(status: number, reason: string, fields: Fields): void {
    if (!this.#current || this.responded) return
    const length = lengthOf(status, fields)
    const framing = this.#framing(status, length)
    this.#carrier.writer.begin(this.#head(status, reason, fields, framing, length), framing)
  }

  respondWhole(status: number, reason: string, fields: Fields, body: string): void {
    if (!this.#current || this.responded) return
    const length = lengthOf(status, fields)
    const framing = this.#framing(status, length)
    const head = this.#head(status, reason, fields, framing, length)
    if (framing === body.length) {
      this.ended = true
      this.bytesOut = framing
      this.#carrier.writer.whole(head, body)
      return this.#carrier.ended(this)
    }
    this.#carrier.writer.begin(head, framing)
    if (framing !== NO_BODY) this.write(Buffer.from(body, 'latin1'))
    this.end()
  }

  #framing(status: number, length: number | undefined): Framing {
    if (hasNoBody(status, this.method)) return NO_BODY
    return length ?? (this.version === '1.1' ? CHUNKED : UNTIL_CLOSE)
  }

  /** The head of the final response, encoded: it begins now. */
  #head(status: number, reason: string, fields: Fields, framing: Framing, length: number | undefined): string {
    this.responded = true
    const carrier = this.#carrier
    const close =
      carrier.last ||
      !this.#persistent ||
      framing === UNTIL_CLOSE ||
      // Without a 100 the client may send the body or not: the next bytes cannot be interpreted.
      this.awaitsContinue ||
      carrier.hasMuchUnread(status)
    carrier.last = close
    const connection = close ? 'close' : this.version === '1.0' ? 'keep-alive' : undefined
    return encodeResponseHead(status, reason, fields, framing, length, connection)
  }

  write(chunk: Uint8Array): boolean {
    if (!this.#current || !this.responded || this.ended) return true
    this.bytesOut += chunk.length
    return this.#carrier.writer.write(chunk)
  }

  get isFlushed(): boolean {
    return this.#carrier.writer.isFlushed
  }

  end(trailers?: Fields): void {
    if (!this.#current || !this.responded || this.ended) return
    this.ended = true
    if (this.released) this.#carrier.ended(this)
    else if (this.#carrier.writer.end(trailers)) this.#carrier.ended(this)
    else this.#carrier.abort()
  }

  delivery(done: (delivery: Delivery) => void): void {
    this.#carrier.stream.delivery(done)
  }

  abort(gently: boolean = false): void {
    if (this.#current) this.#carrier.abort(gently)
  }

  switchProtocols(protocol: string, fields: Fields): ByteStream | undefined {
    if (!this.#current || this.responded || this.upgrade === undefined || !this.#carrier.bodyDone) return undefined
    this.responded = true
    this.released = true
    return this.#carrier.release(protocol, fields)
  }
}

/** The length that the response announces. */
function lengthOf(status: number, fields: Fields): number | undefined {
  const declared = fields.get('content-length')
  return declared === undefined || status === 204 ? undefined : parseLength(declared)
}
