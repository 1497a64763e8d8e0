import type { Socket } from 'node:net'
import type { PosternError } from '../errors.ts'
import type { Freed } from './exchange.ts'
import type { Fields } from './fields.ts'

/** What goes to a backend. */
export interface UpstreamRequest {
  readonly method: string
  /** Path and query, exactly as they go on the wire. */
  readonly target: string
  /** With `Expect: 100-continue` the body is wanted when the backend has said so, or has thought about it for too long. */
  readonly fields: Fields
  readonly hasBody: boolean
  /** What the connection is asked to become; a 101 without it, or to something else, is malformed. */
  readonly upgrade?: string | undefined
}

/**
 * Who sent the request on and awaits the answer; exactly one of `onEnd`, `onUpgrade` and `onFail` is the last call, unless
 * cancelled.
 */
export interface UpstreamOwner {
  /** The request is on its way on a connection that stands. */
  onConnected(): void
  /** The backend takes (more of) the request's body. */
  onBodyWanted(): void
  /** An interim response: 102, 103; also 100, whoever asked for it. Without this they are dropped. */
  onInterim?(status: number, fields: Fields): void
  /** @param version that the backend answers in */
  onHead(status: number, reason: string, fields: Fields, version: '1.0' | '1.1'): void
  /** The chunk is the owner's, unless it returns `FREE`. */
  onData(chunk: Uint8Array): Freed | void
  onEnd(): void
  /**
   * The backend agreed to the upgrade. The socket is the owner's: paused, without listeners, and with what the backend
   * sent ahead as its first data. Without this a 101 is malformed.
   */
  onUpgrade?(fields: Fields, socket: Socket): void
  onFail(error: PosternError): void
}

/** A request under way on a backend: the seam between the flow and the machinery of HTTP on the upstream side. */
export interface UpstreamExchange {
  /** Of the response, once its body is complete; kept apart from its fields (RFC 9110 §6.5.1). */
  readonly trailers: Fields | undefined
  /** False when the backend is slow: stop until `onBodyWanted`. */
  write(chunk: Uint8Array): boolean
  /** Whether nobody looks any more at any of what was written. */
  readonly isFlushed: boolean
  /** The request's body is complete; trailers go out when it is chunked. */
  end(trailers?: Fields): void
  pause(): void
  resume(): void
  /** The owner hears no more of it; the connection is not used again unless the exchange was complete. */
  cancel(): void
}
