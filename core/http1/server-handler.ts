import type { Malformed } from '../http/malformed.ts'
import type { ServerConnection } from './server-connection.ts'
import type { ServerExchange } from './server-exchange.ts'

/** What a listener does for the connections that it accepted. */
export interface ServerHandler {
  /**
   * Milliseconds: `head` from the first byte of a head to its last, also from the start of the connection to the first
   * byte; `keepAlive` between requests. Read each time, so a reload may change them.
   */
  readonly timeouts: { readonly head: number; readonly keepAlive: number }
  /** A request has come: sets `exchange.owner` before it returns, and sees to its answer, now or later. */
  onRequest(exchange: ServerExchange): void
  /** The exchange has had its last call, `onSent` or `onGone`. */
  onOver(exchange: ServerExchange): void
  /** What arrived is no request. Answered with `connection.refuse`, or not at all; then the connection closes. */
  onMalformed(connection: ServerConnection, malformed: Malformed): void
  /** The owner threw while it was told something: its exchange has to be ended, the connection is sound. */
  onCrash(exchange: ServerExchange, error: unknown): void
  /** The socket is closed; the last call. */
  onClose(connection: ServerConnection): void
}
