import { Buffer } from 'node:buffer'
import { hasNoBody, parseLength } from '../http/body-length.ts'
import type { Exchange, ExchangeOwner, HttpConnection } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { httpDate } from '../http/http-date.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { Delivery } from '../net/delivery.ts'
import { DeliveryOfStream } from './delivery-of-stream.ts'
import { ErrorCode } from './frames.ts'
import { mark } from './never-indexed.ts'
import type { RequestHead } from './request-head.ts'
import { addFields, trailerList } from './request-list.ts'
import type { ServerStream } from './server-stream.ts'

/** The response ends with its head. */
const NO_BODY = -2
/** The response's length is not known. */
const UNKNOWN = -1

/** One request and its response, on a stream of their own. After its end every method does nothing. */
export class ServerExchange implements Exchange {
  readonly connection: HttpConnection
  readonly version = '2'
  readonly method: string
  readonly rawTarget: string
  readonly fields: Fields
  readonly hasBody: boolean
  readonly isFirst: boolean
  readonly upgrade: string | undefined
  trailers: Fields | undefined
  bytesIn = 0
  bytesOut = 0
  owner!: ExchangeOwner
  awaitsContinue: boolean
  /** The owner has had its last call. */
  isOver = false
  responded = false
  ended = false
  readonly #stream: ServerStream
  #received = false
  #isPaused = false
  /** Bytes of the response's body that are still due, or one of the two constants. */
  #left = UNKNOWN
  #isWrong = false
  #delivery: DeliveryOfStream | undefined

  constructor(stream: ServerStream, head: RequestHead, hasBody: boolean, isFirst: boolean, connection: HttpConnection) {
    this.#stream = stream
    this.connection = connection
    this.method = head.method
    this.rawTarget = head.target
    this.fields = head.fields
    this.hasBody = hasBody
    this.isFirst = isFirst
    this.upgrade = head.protocol
    this.awaitsContinue = hasBody && !!head.fields.get('expect')
    // No piece of the body before the owner asks for it, none of a tunnel before it has one.
    stream.pause()
  }

  receive(): void {
    if (this.isOver || this.#received) return
    this.#received = true
    if (this.awaitsContinue) this.inform(100)
    if (!this.hasBody) this.#stream.guard(() => this.owner.onBodyEnd())
    else if (!this.#isPaused) this.#stream.resume()
  }

  pause(): void {
    if (this.isOver || !this.hasBody) return
    this.#isPaused = true
    this.#stream.pause()
  }

  resume(): void {
    if (this.isOver) return
    this.#isPaused = false
    if (this.#received && this.hasBody) this.#stream.resume()
  }

  inform(status: number, fields?: Fields): void {
    if (this.isOver || this.responded) return
    if (status === 100) this.awaitsContinue = false
    this.#stream.sendHead(interimList(status, fields), false)
  }

  makeLast(isFault: boolean = false): void {
    if (!this.isOver && !isFault) this.#stream.server.makeLast()
  }

  respond(status: number, _reason: string, fields: Fields): void {
    if (this.isOver || this.responded) return
    this.responded = true
    const declared = status === 204 ? undefined : fields.get('content-length')
    const length = declared === undefined ? undefined : parseLength(declared)
    this.#left = hasNoBody(status, this.method) ? NO_BODY : (length ?? UNKNOWN)
    // Any 2xx would be the beginning of a tunnel to the client (RFC 8441 §5).
    const isMistaken = this.upgrade !== undefined && status >= 200 && status <= 299
    this.#stream.sendHead(responseList(isMistaken ? 502 : status, fields, length), true)
    this.#stream.server.responded()
  }

  respondWhole(status: number, reason: string, fields: Fields, body: string): void {
    if (this.isOver || this.responded) return
    this.respond(status, reason, fields)
    if (body !== '') this.write(Buffer.from(body, 'latin1'))
    this.end()
  }

  write(chunk: Uint8Array): boolean {
    const { length } = chunk
    if (this.isOver || !this.responded || this.ended || length === 0 || this.#left === NO_BODY) return true
    if (this.#left !== UNKNOWN) {
      // More than was announced makes the response malformed (RFC 9113 §8.1.1).
      if (length > this.#left) this.#isWrong = true
      if (this.#isWrong) return true
      this.#left -= length
    }
    this.bytesOut += length
    this.#delivery?.wrote(length)
    return this.#stream.sendData(chunk)
  }

  get isFlushed(): boolean {
    return this.#stream.isFlushed
  }

  get isHeldBack(): boolean {
    return this.#stream.isHeldBack
  }

  end(trailers?: Fields): void {
    if (this.isOver || !this.responded || this.ended) return
    if (this.#isWrong || this.#left > 0) return this.abort()
    this.ended = true
    if (this.#stream.tunnel !== undefined) return this.#stream.over(true)
    this.#stream.sendEnd(this.#left === NO_BODY ? undefined : trailerList(trailers))
  }

  delivery(done: (delivery: Delivery) => void): void {
    this.#delivery ??= new DeliveryOfStream(this.#stream)
    this.#delivery.look(done)
  }

  /** What is with the kernel still reaches the client, whether gently or not. */
  abort(_gently?: boolean): void {
    if (this.isOver) return
    const { tunnel } = this.#stream
    if (tunnel === undefined) this.#stream.reset(ErrorCode.INTERNAL_ERROR)
    else tunnel.reset()
    this.#stream.over(false)
  }

  /** RFC 8441 §5: a 200 instead of the 101, and the stream is the tunnel. */
  switchProtocols(_protocol: string, fields: Fields): ByteStream | undefined {
    if (this.isOver || this.responded || this.upgrade === undefined) return undefined
    this.responded = true
    this.#stream.sendHead(responseList(200, fields, undefined), true)
    return this.#stream.switch()
  }
}

/**
 * The header list of a response (RFC 9113 §8.3.2); `Date` is added when it is missing.
 *
 * @param length value of `content-length`; `undefined` sends none
 */
export function responseList(status: number, fields: Fields, length: number | undefined): string[] {
  const list = interimList(status, fields)
  if (length !== undefined) list.push('content-length', `${length}`)
  if (!fields.has('date')) list.push('date', httpDate())
  return list
}

function interimList(status: number, fields: Fields | undefined): string[] {
  const list = [':status', `${status}`]
  if (fields === undefined) return list
  addFields(list, fields.list)
  if (fields.shared !== undefined) addFields(list, fields.shared.list)
  mark(list, fields.secrets)
  return list
}
