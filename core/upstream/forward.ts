import type { UpstreamExchange, UpstreamOwner, UpstreamRequest } from '../http/upstream-exchange.ts'
import { ConnectionPool } from '../http1/connection-pool.ts'
import type { Backend } from './backend.ts'

/** Sends the request to the backend, on an idle connection or a new one. Calls back later, never before it returns. */
export function forward(
  backend: Backend,
  request: UpstreamRequest,
  connectTimeout: number,
  owner: UpstreamOwner,
): UpstreamExchange {
  const pool = backend.pool instanceof ConnectionPool ? backend.pool : new ConnectionPool(backend)
  // A retired backend has given up its pool; a request of an old snapshot that still comes here brings a new one.
  backend.pool = pool
  return pool.forward(request, connectTimeout, owner)
}
