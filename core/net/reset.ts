import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type Delivery, deliveryOf } from './delivery.ts'

/** A connection as a stream of bytes, and the way to break it. */
export interface ByteStream {
  /** Allows half-open. */
  readonly stream: Duplex
  /** Breaks the connection so that the other side cannot take what it received for complete. */
  reset(): void
  /** Looks how far what was written to the stream has come; `done` is called later. */
  delivery(done: (delivery: Delivery) => void): void
}

export function byteStream(socket: Socket): ByteStream {
  return {
    stream: socket,
    reset: () => resetSocket(socket),
    delivery: (done) => deliveryOf(socket, done),
  }
}

/** Breaks a connection, plain or TLS, so that the other side cannot take what it received for complete. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  // After a FIN has been sent the system refuses a reset, and node then never closes the socket. All data is with the
  // kernel by then, so closing the socket truncates nothing.
  const ending = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  // Node refuses to reset a TLS socket. A close without close_notify tells the other side the same.
  if (ending || socket instanceof TLSSocket) socket.destroy()
  else socket.resetAndDestroy()
}
