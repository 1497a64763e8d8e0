import type { PosternError } from '../errors.ts'
import type { ByteStream } from '../net/reset.ts'
import type { Consumed, HttpVersion } from './exchange.ts'
import type { Fields } from './fields.ts'

/**
 * The backend side seam: a flow hands a request to the `UpstreamPool` of a backend and gets an `UpstreamExchange`; the pool
 * calls the `UpstreamOwner` back, later, never inside `send`.
 *
 * What every pool does:
 * - It frames the request and never sends more or less of a body than it announced.
 * - It fails (`onFail`) with a code whose meaning holds whatever the version: `UF` no connection (504 when out of time), `UC`
 *   closed early, `UR` reset, `UPE` malformed response, `GE` a fault of this gateway. `UF` says that not a byte of the request
 *   has left, so that another backend may get it; `UC` and `UR` before the head say that the connection may have been dead.
 * - It bounds what a backend can make it hold: heads, interim responses, trailers.
 */
export interface UpstreamPool {
  /**
   * Sends the request on an idle connection or a new one.
   *
   * @param connectTimeout until a new connection is established, ms
   */
  send(request: UpstreamRequest, connectTimeout: number, owner: UpstreamOwner): UpstreamExchange
  /** Closes what is idle now; what is under way ends by itself, and its connection is not kept. */
  close(): void
}

/** What goes to a backend. */
export interface UpstreamRequest {
  readonly method: string
  /** Path and query, exactly as they go on the wire. */
  readonly target: string
  /**
   * `host` among them. With `Expect: 100-continue` the body is wanted when the backend has asked for it, or has not answered
   * for a second.
   */
  readonly fields: Fields
  readonly hasBody: boolean
  /** What the connection is asked to become; a 101 without it, or to something else, is malformed. */
  readonly upgrade?: string | undefined
}

/**
 * Sent the request and awaits the response; exactly one of `onEnd`, `onUpgrade` and `onFail` is the last call, unless
 * cancelled.
 */
export interface UpstreamOwner {
  /** The request is on its way on an established connection. */
  onConnected(): void
  /** The backend takes (more of) the request's body. Not called for a request without one. */
  onBodyWanted(): void
  /** An interim response: 102, 103; also 100, whoever asked for it. Without this they are dropped. */
  onInterim?(status: number, fields: Fields): void
  /** The final response's head; names in lower case. @param version that the backend answers in */
  onHead(status: number, reason: string, fields: Fields, version: HttpVersion): void
  /** A piece of the response's body. It belongs to the owner, unless the owner returns `CONSUMED`. */
  onData(chunk: Uint8Array): Consumed | void
  onEnd(): void
  /**
   * The backend agreed to the upgrade. The stream is the owner's: paused, without listeners, and with what the backend sent
   * ahead as its first data. Without this a 101 is malformed.
   */
  onUpgrade?(fields: Fields, stream: ByteStream, version: HttpVersion): void
  onFail(error: PosternError): void
}

/** A request under way on a backend. After its end, or `cancel`, every method does nothing. */
export interface UpstreamExchange {
  /** Of the response, once its body is complete; kept apart from its fields (RFC 9110 §6.5.1). */
  readonly trailers: Fields | undefined
  /** False when the backend is slow: write no more until `onBodyWanted`. */
  write(chunk: Uint8Array): boolean
  /** Whether all that was written has left this process's memory. */
  readonly isFlushed: boolean
  /** The request's body is complete. Trailers are sent where the framing carries them. */
  end(trailers?: Fields): void
  /** No `onHead`, `onData` or `onEnd` until `resume`; the backend is stopped. */
  pause(): void
  resume(): void
  /** The owner hears no more of it; the connection is not used again unless the exchange was complete. */
  cancel(): void
}
