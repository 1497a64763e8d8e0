import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { ByteStream } from './byte-stream.ts'
import { DuplexStream } from './duplex-stream.ts'
import { RawSocket } from './raw-socket.ts'

/**
 * Makes a socket of node out of a connection, for what needs one, like TLS. The stream is closed from then on.
 *
 * @param stream accepted or connected, without a receiver, and with nothing unsent
 * @param first bytes that were read from it, and are the first of the socket
 */
export function socketOf(stream: ByteStream, first?: Buffer): Duplex {
  const socket = stream instanceof RawSocket ? adopt(stream) : (stream as DuplexStream).release()
  if (first !== undefined && first.length > 0) socket.unshift(first)
  return socket
}

function adopt(stream: RawSocket): Socket {
  const options: unknown = { handle: stream.release(), allowHalfOpen: true, pauseOnCreate: true }
  return new Socket(options as SocketConstructorOpts)
}

/** A TLS connection whose handshake is over, and that nothing has been read from. */
export function streamOfTls(socket: TLSSocket): ByteStream {
  return new DuplexStream(socket)
}
