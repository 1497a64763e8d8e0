import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { ByteStream } from './byte-stream.ts'
import { DuplexStream } from './duplex-stream.ts'
import { RawSocket } from './raw-socket.ts'
import { isRawTlsUsable } from './raw-tls-check.ts'
import { takeTls } from './take-tls.ts'

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

/**
 * A TLS connection after its handshake as a `ByteStream`. What is known of the handshake (certificates, protocol, whether a
 * session was resumed) has to be read from the socket before: afterwards the connection belongs to the stream. A socket of a
 * client still emits `session`, which may come with any later byte.
 *
 * @param socket without listeners of others, except for `session`.
 */
export function streamOfTls(socket: TLSSocket): ByteStream {
  const raw = isRawTlsUsable() ? takeTls(socket) : undefined
  if (raw !== undefined)
    return raw
    // Before that node tells only its own server of errors.
  ;(socket as TLSSocket & { _releaseControl?(): void })._releaseControl?.()
  return new DuplexStream(socket)
}
