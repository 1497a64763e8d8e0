import type { Fields } from '../http1/fields.ts'

/**
 * One request and its answer on a client's connection, whatever carries it: the seam between the flows and the machinery
 * of HTTP. The machinery calls the `ExchangeOwner`, the owner calls the exchange.
 */
export interface Exchange {
  readonly connection: HttpConnection
  readonly version: '1.0' | '1.1'
  readonly method: string
  /** The request target as sent. */
  readonly rawTarget: string
  /** As they arrived, names in lower case. */
  readonly fields: Fields
  /** Whether a body follows the head. */
  readonly hasBody: boolean
  /** Bytes of the request's body seen so far, and of the response's body written. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Lets the request's body flow to the owner; before that not a byte of it is read. */
  receive(): void
  pause(): void
  resume(): void
  /** Writes the head of the final response. Framing is the exchange's to choose, from `content-length` or its absence. */
  respond(status: number, reason: string, fields: Fields): void
  /** False when the client is slow: stop until `onWritable`. */
  write(chunk: Uint8Array): boolean
  /** The response is complete. */
  end(): void
  /** Ends the connection so that the client cannot take what it got for complete. */
  abort(): void
}

/** Who answers an exchange. */
export interface ExchangeOwner {
  onBody(chunk: Uint8Array): void
  onBodyEnd(): void
  onWritable(): void
  /** Everything has been handed to the kernel; the last call, unless `onGone` was. */
  onSent(): void
  /** The client went away before the response was complete; the last call. */
  onGone(): void
}

/** A client's connection on an HTTP listener. */
export interface HttpConnection {
  readonly peerIp: string
  readonly peerPort: number
  readonly localPort: number
  readonly scheme: 'http' | 'https'
}
