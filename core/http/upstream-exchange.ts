import type { PosternError } from '../errors.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { Delivery } from '../net/delivery.ts'
import type { Consumed, HttpVersion } from './exchange.ts'
import type { Fields } from './fields.ts'

/**
 * The backend side seam: a flow passes a request to the `UpstreamPool` of a backend and gets an `UpstreamExchange`; the pool
 * calls the `UpstreamOwner` later, never inside `send`. All calls are synchronous and on one thread.
 *
 * What every pool does:
 * - It frames the request, and a body whose length differs from `content-length` fails the exchange (`GE`).
 * - It fails (`onFail`) with a code that means the same for every version: `UF` no connection (504 on a timeout), `UC` closed
 *   early, `UR` reset, `UPE` malformed response, `GE` a fault of this gateway. `UF` guarantees that the backend has read no byte
 *   of the request, so another one may get it.
 * - It says (`Fate`) what is known of a request that failed before a byte of its response and that may be sent again.
 * - It limits what a backend can make it hold: heads, interim responses, trailers.
 * - It never calls the owner from inside `write`, `end`, `pause` or `cancel`. `resume` may call any method of the owner
 *   before it returns. An owner may call any method of its exchange from inside any of its own calls.
 * - What a method of the owner throws fails the exchange: `onFail` with `GE`, unless that call was `onEnd`, `onUpgrade` or
 *   `onFail`.
 * - Memory: a chunk passed to `write` belongs to the pool until `isFlushed` is true. A chunk passed to `onData` belongs to the
 *   owner, unless the owner returns `CONSUMED`. The request's `fields` are read when the request is sent, which may be after
 *   `send` has returned: the owner leaves them unchanged until `onConnected`. Fields of a response belong to the owner.
 */
export interface UpstreamPool {
  /**
   * Sends the request on an idle connection or a new one, as `UpstreamRequest.reuse` says.
   *
   * @param connectTimeout until a new connection is established, ms
   */
  send(request: UpstreamRequest, connectTimeout: number, owner: UpstreamOwner): UpstreamExchange
  /** Closes the idle connections; those in use are closed when their exchange ends. */
  close(): void
}

/**
 * `stale`: a connection that had carried other requests ended before a byte of the response: it was idle for too long, and
 * nothing is known about the request. Never said of a new connection. `unprocessed`: the backend has said that it did not
 * process the request (RFC 9113 §8.7), whatever its method is, and the pool could not send it again because a part of its body
 * had gone out, or because others were refused, too.
 */
export type Fate = 'stale' | 'unprocessed'

/**
 * Which connection may carry a request: `any` takes an idle one or else a new one. `proven` takes an idle one only if it has
 * carried at least two requests and has been idle for less than 1 s, and for less than half of the time that the backend
 * says it keeps it. `none` takes a new one. New connections join the pool afterwards.
 */
export type Reuse = 'any' | 'proven' | 'none'

/** A request to a backend. */
export interface UpstreamRequest {
  readonly method: string
  /** Path and query, exactly as they go on the wire. */
  readonly target: string
  /**
   * `host` included. With `Expect: 100-continue` `onBodyWanted` is called when the backend has sent a 100, or nothing for 1 s.
   */
  readonly fields: Fields
  readonly hasBody: boolean
  /** Protocol that the backend is asked to switch to; a 101 without it, or to another protocol, is malformed (`UPE`). */
  readonly upgrade?: string | undefined
  /** Default: `any`. */
  readonly reuse?: Reuse
}

/**
 * The sender of a request. Exactly one of `onEnd`, `onWhole`, `onUpgrade` and `onFail` is the last call; after `cancel` there
 * are no more calls.
 */
export interface UpstreamOwner {
  /** A connection is established, and the request's head is being sent on it. */
  onConnected(): void
  /** The backend can take the request's body, or more of it after a `write` that returned false. Not without a body. */
  onBodyWanted(): void
  /** An interim response: 100, 102, 103; 100 even if the request did not expect it. Default: they are dropped. */
  onInterim?(status: number, fields: Fields): void
  /** The final response's head; names in lower case. @param version of the response */
  onHead(status: number, reason: string, fields: Fields, version: HttpVersion): void
  /** A piece of the response's body. It belongs to the owner, unless the owner returns `CONSUMED`. */
  onData(chunk: Uint8Array): Consumed | void
  /** The response is complete; `UpstreamExchange.trailers` is set. */
  onEnd(): void
  /**
   * The whole response, instead of `onHead`, `onData` and `onEnd`: its short body has come with its head. Default: those three
   * are called. When this call throws, `onFail` follows.
   *
   * @param body one character for each byte; empty for a response without one
   */
  onWhole?(status: number, reason: string, fields: Fields, version: HttpVersion, body: string): void
  /**
   * The backend agreed to the upgrade, and the request has been sent with its whole body. The stream belongs to the owner:
   * it is paused, has no listeners, and its first data are the bytes that the backend sent ahead. Default: a 101 is
   * malformed (`UPE`).
   */
  onUpgrade?(fields: Fields, stream: ByteStream, version: HttpVersion): void
  /** The exchange has failed; the code says how, see above. @param fate default: it is not to be sent again */
  onFail(error: PosternError, fate?: Fate): void
}

/** A request under way on a backend. After its end, or `cancel`, every method does nothing. */
export interface UpstreamExchange {
  /** Trailers of the response, set before `onEnd`; kept apart from its fields (RFC 9110 §6.5.1). */
  readonly trailers: Fields | undefined
  /**
   * Whether the pool may say `unprocessed` after a part of the body was written, so that it is worth being kept. Known from
   * `onConnected` on. Default: false.
   */
  readonly isRefusable?: boolean
  /** Writes a piece of the request's body. False when the backend is slow: write no more until `onBodyWanted`. */
  write(chunk: Uint8Array): boolean
  /** Whether the pool no longer uses any chunk that was written, so that their memory may be used again. */
  readonly isFlushed: boolean
  /** Looks how far what was written to the backend's connection has come; `done` is called later. */
  delivery(done: (delivery: Delivery) => void): void
  /** The request's body is complete. Trailers are sent only if the framing can carry them. */
  end(trailers?: Fields): void
  /**
   * No call about the response until `resume`, and a failure of the established connection is reported after it, too; the
   * pool stops reading from the backend.
   */
  pause(): void
  /** Ends `pause`; without one it does nothing. */
  resume(): void
  /** Ends the exchange without another call to the owner; a connection on which the request has begun is closed. */
  cancel(): void
}
