import type { ByteStream } from '../net/byte-stream.ts'
import type { Delivery } from '../net/delivery.ts'
import type { Peer } from '../net/peer.ts'
import type { Fields } from './fields.ts'
import type { Malformed } from './malformed.ts'
import type { UpstreamPool } from './upstream-exchange.ts'

/**
 * The client side seam: a codec (`http1/`, later `http2/`) on one side, the listener and the flows on the other. A codec
 * turns the bytes of a connection into exchanges and calls the `ServerHandler` and each exchange's `ExchangeOwner`; they
 * call the `Exchange` and the `HttpSession`. All calls are synchronous and on one thread; none returns a promise.
 *
 * What every codec does:
 * - It presents the request as `Exchange` describes and refuses what is malformed (`onMalformed`), everything included that
 *   two parsers could read differently.
 * - It frames the messages. A field with the treatment `CODEC` (`header-names.ts`) is never copied from a `Fields` to the
 *   wire; the codec alone writes how a message ends and whether its connection stays open.
 * - It never calls an owner from inside the owner's own call of `pause`, `inform`, `makeLast`, `respond` or `write`.
 *   `receive` and `resume` may call `onBody` and `onBodyEnd` before they return, `end` and `respondWhole` may call `onSent`,
 *   and `abort` may call `onGone`. An owner may call any method of its exchange from inside any of its own calls, `end` and `abort` included.
 * - Exactly one of `onSent` and `onGone` is the owner's last call, and `onOver` of the handler follows it immediately. After
 *   that every method of the exchange does nothing: `write` returns true, `switchProtocols` returns `undefined`.
 * - Memory: a chunk passed to `write` belongs to the codec until `isFlushed` is true; the owner must not change it before
 *   that. A chunk passed to `onBody` belongs to the owner, unless the owner returns `CONSUMED`. The owner may change the
 *   request's `fields`; a codec never changes the fields that it is given.
 */
export interface Exchange {
  readonly connection: HttpConnection
  /** Version of the request. Above the codec only `Via` uses it. */
  readonly version: HttpVersion
  readonly method: string
  /** The request target as sent: `/path?query`, an absolute URL, or `*`; of HTTP/2 the `:path`. Not checked yet. */
  readonly rawTarget: string
  /** Every line that the client sent, in order, names in lower case. HTTP/2's `:authority` is the field `host`. */
  readonly fields: Fields
  /** Whether a body follows the head; it may turn out to be empty. */
  readonly hasBody: boolean
  /** Whether it is the first request of its connection. */
  readonly isFirst: boolean
  /** Whether the client waits for a 100 before it sends the body (RFC 9110 §10.1.1). */
  readonly awaitsContinue: boolean
  /** Protocol that the client asks to switch to (RFC 9110 §7.8); `undefined` when it does not ask, or may not. */
  readonly upgrade: string | undefined
  /** Trailers of the request, set before `onBodyEnd`; kept apart from its fields (RFC 9110 §6.5.1). */
  readonly trailers: Fields | undefined
  /** Bytes of the request's body passed to the owner, and of the response's body written; the holder of a tunnel adds its own. */
  bytesIn: number
  bytesOut: number
  /** Set by the handler inside `onRequest`, before anything else happens. */
  owner: ExchangeOwner
  /**
   * Starts passing the request's body to the owner; before that no `onBody` is called. Sends a 100 that is still due. For a
   * request without a body it calls `onBodyEnd`. Only the first call has an effect.
   */
  receive(): void
  /** No `onBody` until `resume`; the codec reads ahead a bounded amount and then stops reading from the client. */
  pause(): void
  /** Ends `pause`; without one it does nothing. */
  resume(): void
  /** Writes an interim response (100, 102, 103); nothing if the client is HTTP/1.0 or the final response has begun. */
  inform(status: number, fields: Fields): void
  /**
   * Makes this exchange the last on its connection; the response says so, unless it has begun.
   *
   * @param isFault only since its request is wrong, or late: HTTP/2 tells requests apart whatever they are, so others go on.
   *   Default: false.
   */
  makeLast(isFault?: boolean): void
  /**
   * Writes the head of the final response; only the first call has an effect. The codec chooses the framing by
   * `content-length` or its absence, and writes no body for HEAD, 204 and 304.
   *
   * @param reason empty: the standard one of the status. HTTP/2 has none.
   */
  respond(status: number, reason: string, fields: Fields): void
  /**
   * `respond`, `write` and `end` in one call, which may call `onSent` before it returns.
   *
   * @param body the whole body, one character for each byte
   */
  respondWhole(status: number, reason: string, fields: Fields, body: string): void
  /** Writes a piece of the response's body, after `respond`. False when the client is slow: write no more until `onWritable`. */
  write(chunk: Uint8Array): boolean
  /** Whether the codec no longer uses any chunk that was written, so that their memory may be used again. */
  readonly isFlushed: boolean
  /**
   * Whether the client's flow control holds back what was written: it wants nothing more of this response now, while its
   * connection may be alive. HTTP/1.1 has none: false.
   */
  readonly isHeldBack: boolean
  /**
   * The response is complete, or the tunnel is over. Trailers are sent only if the framing can carry them. A body that does
   * not have the announced length breaks the exchange as `abort` does.
   */
  end(trailers?: Fields): void
  /** Looks how far what was written to the client's connection has come; `done` is called later. */
  delivery(done: (delivery: Delivery) => void): void
  /**
   * Ends the exchange so that the client cannot take what it received for complete.
   *
   * @param gently true: what is on its way still reaches the client, if the framing shows that the rest is missing. Default:
   *   false, the client learns of it immediately.
   */
  abort(gently?: boolean): void
  /**
   * Answers that the connection now carries `protocol` (101) and releases it. The stream is paused, has no listeners, and its
   * first data are the bytes that the client sent ahead; the caller has to close it, and to call `end` afterwards.
   * `undefined` when the client did not ask, when its request has not arrived with its whole body, or when a final response
   * has begun. When the gateway breaks the connection (`abort`) `onGone` is called; when the client closes it, only the
   * stream says so.
   */
  switchProtocols(protocol: string, fields: Fields): ByteStream | undefined
}

/** Versions of HTTP, as `Via` writes them (RFC 9110 §7.6.3). */
export type HttpVersion = '1.0' | '1.1' | '2'

/**
 * Returned by the receiver of a piece of a body when it no longer uses the piece: the memory is used for the next read.
 * After any other return value the piece belongs to the receiver. A symbol, since a `true` is easily returned by mistake.
 */
export const CONSUMED: unique symbol = Symbol('consumed')

export type Consumed = typeof CONSUMED

/** Answers an exchange. The codec passes whatever a method throws to `ServerHandler.onCrash`. */
export interface ExchangeOwner {
  /** A piece of the request's body. It belongs to the owner, unless the owner returns `CONSUMED`. */
  onBody(chunk: Uint8Array): Consumed | void
  /** The request's body is complete; `trailers` is set. */
  onBodyEnd(): void
  /** The client can take more of the response. Called after a `write` that returned false, possibly more often. */
  onWritable(): void
  /** The whole response has been handed to the kernel, or the tunnel has ended; the last call. */
  onSent(): void
  /** The client disconnected before the response was complete, or the exchange was aborted; the last call. */
  onGone(): void
}

/** A client's connection on an HTTP listener; all exchanges on it share this object. */
export interface HttpConnection {
  readonly peer: Peer
  /** For backends that are told who the client is: pools whose connections belong to it alone. The listener closes them with it. */
  pools?: Map<PoolOwner, UpstreamPool> | undefined
}

/** A backend with pools that belong to connections of clients. */
export interface PoolOwner {
  /** The connection that it belongs to has ended. */
  closePool(pool: UpstreamPool): void
}

/** A client's connection, as the codec that serves it offers it to the listener. */
export interface HttpSession {
  readonly connection: HttpConnection
  /** It has announced its end, and waits until the client has read that: a drain is not over before. HTTP/1.1 needs only a FIN. */
  readonly isLeaving: boolean
  /** The next response says that the connection closes; until then it is served as before. */
  makeLast(): void
  /** Begins no exchange after those under way, and closes when they are over. */
  drain(): void
  /** Breaks the connection; exchanges under way end with `onGone`. */
  abort(): void
  /** Only inside `onMalformed`: answers the malformed request, then closes after the client had time to read the answer. */
  refuse(status: number, fields: Fields, body: Uint8Array): void
}

/** The first words of a request that is refused, for the log. Not checked. */
export interface Begun {
  readonly method: string
  readonly target: string
}

/**
 * What the FIN of a client means while its request is answered. `cancel`: it has left, unless it announced that no other
 * request follows. `serve`: it sends no more, and waits for its answers.
 */
export type HalfClose = 'cancel' | 'serve'

/** What a listener does for its connections. */
export interface ServerHandler {
  /**
   * Milliseconds. `head`: from the first byte of a head to its last, also from the start of the connection to the first
   * byte. `keepAlive`: between requests. Read whenever a timer is started, so a reload may change them.
   */
  readonly timeouts: { readonly head: number; readonly keepAlive: number }
  /** Read when a FIN arrives, so a reload may change it. HTTP/2 has no such ambiguity. */
  readonly halfClose: HalfClose
  /** The head of a request has arrived: sets `exchange.owner` before it returns; the owner answers now or later. */
  onRequest(exchange: Exchange): void
  /** The exchange has had its last call, `onSent` or `onGone`. */
  onOver(exchange: Exchange): void
  /**
   * The bytes that arrived are not a valid request. Calls `session.refuse`, or nothing; then the codec closes the connection.
   *
   * @param begun `undefined` when they do not even begin like one
   */
  onMalformed(session: HttpSession, malformed: Malformed, begun: Begun | undefined): void
  /** A method of the owner threw: the handler has to end or abort its exchange. The connection itself is still usable. */
  onCrash(exchange: Exchange, error: unknown): void
  /** The connection is closed; the last call. */
  onClose(session: HttpSession): void
}
