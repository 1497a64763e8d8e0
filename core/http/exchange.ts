import type { Peer } from '../net/peer.ts'
import type { ByteStream } from '../net/reset.ts'
import type { Fields, SharedFields } from './fields.ts'
import type { Malformed } from './malformed.ts'

/**
 * The client side seam: a codec (`http1/`, later `http2/`) on one side, the listener and the flows on the other. A codec
 * turns the bytes of a connection into exchanges and calls the `ServerHandler` and each exchange's `ExchangeOwner`; they
 * call the `Exchange` and the `HttpSession`. Everything is called on the one thread, and no call waits for another.
 *
 * What every codec does:
 * - It gives the request as `Exchange` says, refuses what is malformed (`onMalformed`), and never lets anything that the
 *   client sent be read in two ways.
 * - It frames what it is given. No field for which `treatmentOf` says `CODEC` reaches the wire from a `Fields`; how a message
 *   ends and whether its connection goes on is written by the codec alone.
 * - It calls an owner never inside the owner's own call of `respond`, `write`, `pause` or `resume`. `end` may call `onSent`
 *   before it returns, `receive` may call `onBody` and `onBodyEnd`, `abort` may call `onGone`.
 * - After `onSent` or `onGone`, the last call, every method of the exchange does nothing.
 */
export interface Exchange {
  readonly connection: HttpConnection
  /** Of the request. Only `Via` shows it above the codec. */
  readonly version: HttpVersion
  readonly method: string
  /** The request target as sent: `/path?query`, an absolute URL, or `*`; of HTTP/2 the `:path`. Not checked yet. */
  readonly rawTarget: string
  /** As they arrived, names in lower case, every line that the client sent. HTTP/2's `:authority` is the field `host`. */
  readonly fields: Fields
  /** Whether a body follows the head, be it empty. */
  readonly hasBody: boolean
  /** Whether the client waits for a 100 before it sends the body (RFC 9110 §10.1.1). */
  readonly awaitsContinue: boolean
  /** What the client asks the connection to become (RFC 9110 §7.8); `undefined` when it does not, or may not. */
  readonly upgrade: string | undefined
  /** Of the request, once its body is complete; kept apart from its fields (RFC 9110 §6.5.1). */
  readonly trailers: Fields | undefined
  /** Bytes of the request's body read so far, and of the response's body written; the holder of a tunnel adds its own. */
  bytesIn: number
  bytesOut: number
  /** Set by the handler inside `onRequest`, before anything else happens. */
  owner: ExchangeOwner
  /** Lets the request's body flow to the owner; before that not a byte of it is read. Sends a 100 that is still due. */
  receive(): void
  /** No `onBody` until `resume`; the codec reads ahead a bounded amount and then stops the client. */
  pause(): void
  resume(): void
  /** Writes an interim response (100, 102, 103) where the client knows them and the final one has not begun. */
  inform(status: number, fields: Fields): void
  /** This exchange is the last that its connection carries; the response says so, unless it has begun. */
  makeLast(): void
  /**
   * Writes the head of the final response; once. The codec chooses the framing from `content-length` or its absence, and
   * writes no body for HEAD, 204 and 304.
   *
   * @param reason empty for the usual one; HTTP/2 has none.
   */
  respond(status: number, reason: string, fields: Fields): void
  /** False when the client is slow: write no more until `onWritable`. The chunk is the codec's from here on. */
  write(chunk: Uint8Array): boolean
  /** Whether all that was written has left this process's memory, so that the memory of the chunks may be used again. */
  readonly isFlushed: boolean
  /** The response is complete, or the tunnel is over. Trailers are sent where the framing carries them. */
  end(trailers?: Fields): void
  /** Ends the exchange so that the client cannot take what it received for complete. */
  abort(): void
  /**
   * Answers that the connection now carries `protocol` (101) and lets go of it: the stream comes paused, without listeners,
   * and with what the client sent ahead as its first data; closing it is its holder's. `undefined` when the client did not
   * ask. When the gateway breaks the connection `onGone` is called; when the client leaves it is not: the holder sees that.
   */
  switchProtocols(protocol: string, fields: Fields): ByteStream | undefined
}

/** Versions of HTTP, as `Via` writes them (RFC 9110 §7.6.3). */
export type HttpVersion = '1.0' | '1.1' | '2'

/**
 * What the receiver of a piece of a body returns when it has consumed the piece: the memory is read into again. After any
 * other answer the receiver may keep the piece. A value of its own, since a `true` is easily returned by mistake.
 */
export const CONSUMED: unique symbol = Symbol('consumed')

export type Consumed = typeof CONSUMED

/** Answers an exchange. */
export interface ExchangeOwner {
  /** A piece of the request's body. It belongs to the owner, unless the owner returns `CONSUMED`. */
  onBody(chunk: Uint8Array): Consumed | void
  onBodyEnd(): void
  /** After a `write` that returned false: the client takes more. */
  onWritable(): void
  /** Everything has been handed to the kernel; the last call, unless `onGone` was. */
  onSent(): void
  /** The client went away before the response was complete, or the exchange was aborted; the last call. */
  onGone(): void
}

/** A client's connection on an HTTP listener; all exchanges on it have the same. */
export interface HttpConnection {
  readonly peer: Peer
  /** Fields that the gateway added last to a request of this connection: see `addOwnFields`. */
  own?: OwnFields
}

/** Fields about the way of a request, and what they hold for. */
export interface OwnFields {
  readonly authority: string
  readonly version: HttpVersion
  readonly fields: SharedFields
}

/** A client's connection, as the codec that serves it offers it to the listener. */
export interface HttpSession {
  readonly connection: HttpConnection
  /** Takes no exchange after those under way, and closes when they are over. */
  drain(): void
  /** Breaks the connection; exchanges under way end with `onGone`. */
  abort(): void
  /** Inside `onMalformed`: answers what was malformed, and closes once the client has had time to read the answer. */
  refuse(status: number, fields: Fields, body: Uint8Array): void
}

/** What a listener does for the connections that it accepted. */
export interface ServerHandler {
  /**
   * Milliseconds: `head` from the first byte of a head to its last, also from the start of the connection to the first
   * byte; `keepAlive` between requests. Read each time, so a reload may change them.
   */
  readonly timeouts: { readonly head: number; readonly keepAlive: number }
  /** A request has arrived: sets `exchange.owner` before it returns, and answers it now or later. */
  onRequest(exchange: Exchange): void
  /** The exchange has had its last call, `onSent` or `onGone`. */
  onOver(exchange: Exchange): void
  /** What arrived is not a request. Answered with `session.refuse`, or not at all; then the connection closes. */
  onMalformed(session: HttpSession, malformed: Malformed): void
  /** An owner threw inside a call: its exchange has to be ended; the connection is sound. */
  onCrash(exchange: Exchange, error: unknown): void
  /** The connection is closed; the last call. */
  onClose(session: HttpSession): void
}
