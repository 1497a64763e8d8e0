import type { Socket } from 'node:net'
import type { Fields } from './fields.ts'

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
  /** Whether the client waits for a 100 before it sends the body (RFC 9110 §10.1.1). */
  readonly awaitsContinue: boolean
  /** What the client asks the connection to become (RFC 9110 §7.8); `undefined` when it does not, or may not. */
  readonly upgrade: string | undefined
  /** Of the request, once its body is complete; kept apart from its fields (RFC 9110 §6.5.1). */
  readonly trailers: Fields | undefined
  /** Bytes of the request's body seen so far, and of the response's body written; a tunnel's holder adds its own. */
  bytesIn: number
  bytesOut: number
  /** Lets the request's body flow to the owner; before that not a byte of it is read. Sends a 100 that is still due. */
  receive(): void
  pause(): void
  resume(): void
  /** Writes an interim response (100, 102, 103), where the client knows them and the final one has not begun. */
  inform(status: number, fields: Fields): void
  /** Writes the head of the final response. Framing is the exchange's to choose, from `content-length` or its absence. */
  respond(status: number, reason: string, fields: Fields): void
  /** False when the client is slow: stop until `onWritable`. */
  write(chunk: Uint8Array): boolean
  /** Whether nobody looks any more at any of what was written. */
  readonly isFlushed: boolean
  /** The response is complete, or the tunnel is over; trailers go out when the response is chunked. */
  end(trailers?: Fields): void
  /** Ends the connection so that the client cannot take what it got for complete. */
  abort(): void
  /**
   * Answers 101 and lets go of the connection: the socket comes paused, without listeners, and with what the client sent
   * ahead as its first data; closing it is its holder's. `undefined` when there is nothing to switch. Breaking the
   * connection from outside calls `onGone`, the client's leaving does not.
   */
  switchProtocols(protocol: string, fields: Fields): Socket | undefined
}

/** Who answers an exchange. */
export interface ExchangeOwner {
  /** The chunk is the owner's, unless it returns `FREE`. */
  onBody(chunk: Uint8Array): Freed | void
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
  /** What the gateway last said of a request that came by it: see `setOwnFields`. */
  own?: OwnLines
}

/** Lines about the way of a request, and for which authority they hold. */
export interface OwnLines {
  readonly authority: string
  readonly lines: string
}

/**
 * What the receiver of a piece of a body returns when nobody looks at the piece any more: its memory is read into again.
 * Whoever returns anything else may keep it. A value of its own, since a `true` is easily returned without a thought.
 */
export const FREE: unique symbol = Symbol('free')

export type Freed = typeof FREE
