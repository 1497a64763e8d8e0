import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** Breaks a connection so that the other side cannot take what it got for complete. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  // While a FIN is on its way the system refuses a reset, and node then never closes the socket. Under TLS a close without
  // close_notify says the same as a reset.
  if (socket instanceof TLSSocket || socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
