import { connect, type OnReadOpts, type Socket } from 'node:net'
import { PosternError } from '../errors.ts'
import type { ByteStream } from './byte-stream.ts'
import { descriptors } from './descriptors.ts'
import { DuplexStream, SocketReader } from './duplex-stream.ts'

/** The address of a backend. */
export interface Address {
  readonly host: string
  readonly port: number
  /** As messages name it. */
  readonly address: string
}

/**
 * Opens a TCP connection to a backend, name resolution included.
 *
 * @param timeout Until the connection is established, ms.
 * @param done Called exactly once, never before this function has returned and never after `cancel`. The stream has not been
 *   started, and Nagle's algorithm is off. The error is `UF`: status 504 on a timeout, else 502; or `OM`: no descriptor is
 *   left for it, which is no fault of the backend.
 */
export function connectTo(
  backend: Address,
  timeout: number,
  done: (error: PosternError | undefined, stream: ByteStream | undefined) => void,
): { cancel(): void } {
  const reader = new SocketReader()
  const connected = (error: PosternError | undefined, socket: Socket | undefined): void =>
    done(error, socket && new DuplexStream(socket, reader))
  return connectSocket(backend, timeout, connected, reader.onread)
}

/**
 * `connectTo` for what needs a socket of node, like TLS. The socket has no listeners and allows half-open.
 *
 * @param onread of the socket. Default: it emits `data` like any other stream.
 */
export function connectSocket(
  { host, port, address }: Address,
  timeout: number,
  done: (error: PosternError | undefined, socket: Socket | undefined) => void,
  onread?: OnReadOpts,
): { cancel(): void } {
  const options = { host, port, noDelay: true, allowHalfOpen: true, autoSelectFamily: true }
  const socket = connect(onread === undefined ? options : { ...options, onread })
  const timer = setTimeout(() => {
    fail(new PosternError('UF', `${address}: no connection within ${timeout} ms`, { status: 504 }))
  }, timeout)

  let settled = false

  function settle(): void {
    settled = true
    clearTimeout(timer)
    socket.off('connect', connected)
    socket.off('error', refused)
  }
  function cancel(): void {
    // Once `done` has been called, the socket belongs to the caller.
    if (settled) return
    settle()
    socket.destroy()
  }
  function fail(error: PosternError): void {
    cancel()
    done(error, undefined)
  }
  function connected(): void {
    settle()
    done(undefined, socket)
  }
  function refused(cause: NodeJS.ErrnoException): void {
    if (descriptors.isCauseOf(cause)) {
      return fail(
        new PosternError('OM', `${address}: no descriptor is left for a connection (${cause.code})`, { cause }),
      )
    }
    fail(new PosternError('UF', `${address}: cannot connect: ${cause.code ?? cause.message}`, { cause }))
  }
  socket.once('connect', connected)
  socket.once('error', refused)
  return { cancel }
}
