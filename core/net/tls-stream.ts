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
 */
export function socketOf(stream: ByteStream): Duplex {
  return stream instanceof RawSocket ? adopt(stream) : (stream as DuplexStream).release()
}

/** Less than node's first memory for what a TLS connection receives: when that is full node adds 16 KB and keeps them. */
const largestPiece = 1000

/**
 * Gives a TLS socket, in the turn in which it was made, bytes that were read from its connection before.
 *
 * @param below the socket that it was made with
 */
export function feed(socket: TLSSocket, below: Duplex, bytes: Buffer): void {
  const { _handle: handle } = socket as unknown as { _handle: { receive?(bytes: Buffer): void } | null }
  if (handle?.receive === undefined) return void below.unshift(bytes)
  for (let at = 0; at < bytes.length && !socket.destroyed; at += largestPiece) {
    handle.receive(bytes.subarray(at, at + largestPiece))
  }
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
  if (raw !== undefined) return raw
  const held: { _releaseControl?(): void } = socket as object
  // Before that node tells only its own server of errors.
  held._releaseControl?.()
  return new DuplexStream(socket)
}
