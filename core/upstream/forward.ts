import type { PosternError } from '../errors.ts'
import { ConnectionPool } from '../http1/connection-pool.ts'
import type { Fields } from '../http1/fields.ts'
import type { Backend } from './backend.ts'

/** What goes to a backend. */
export interface ForwardRequest {
  readonly method: string
  /** Path and query, exactly as they go on the wire. */
  readonly target: string
  readonly fields: Fields
  readonly hasBody: boolean
}

/** Who sent the request on and awaits the answer; exactly one of `onEnd` and `onFail` is the last call, unless cancelled. */
export interface ForwardOwner {
  /** The request is on its way on a connection that stands. */
  onConnected(): void
  /** The backend takes (more of) the request's body. */
  onBodyWanted(): void
  onHead(status: number, reason: string, fields: Fields): void
  onData(chunk: Uint8Array): void
  onEnd(): void
  onFail(error: PosternError): void
}

/** A request under way on a backend: the seam between the flow and the machinery of HTTP on the upstream side. */
export interface Forwarding {
  /** False when the backend is slow: stop until `onBodyWanted`. */
  write(chunk: Uint8Array): boolean
  /** The request's body is complete. */
  end(): void
  pause(): void
  resume(): void
  /** The owner hears no more of it; the connection is not used again unless the exchange was complete. */
  cancel(): void
}

/** Sends the request to the backend, on an idle connection or a new one. Calls back later, never before it returns. */
export function forward(
  backend: Backend,
  request: ForwardRequest,
  connectTimeout: number,
  owner: ForwardOwner,
): Forwarding {
  const pool = backend.pool instanceof ConnectionPool ? backend.pool : new ConnectionPool(backend)
  // A retired backend has given up its pool; a request of an old snapshot that still comes here brings a new one.
  backend.pool = pool
  return pool.forward(request, connectTimeout, owner)
}
