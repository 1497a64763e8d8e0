import { connect, type OnReadOpts, type Socket } from 'node:net'
import { PosternError } from '../errors.ts'
import { descriptors } from './descriptors.ts'

/** The memory that a socket reads into. */
export interface SocketMemory {
  readonly onread: OnReadOpts
  bind?(socket: Socket): void
}

/**
 * Opens a TCP connection to a backend, name resolution included.
 *
 * @param timeout Until the connection is established, ms.
 * @param done Called exactly once, never before this function has returned and never after `cancel`. The socket has no
 *   listeners, allows half-open, and Nagle's algorithm is off. The error is `UF`: status 504 on a timeout, else
 *   502; or `OM`: no descriptor is left for it, which is no fault of the backend.
 * @param reader Reads the bytes of the socket. Default: the socket emits `data` events like any other.
 */
export function connectTo(
  backend: { readonly host: string; readonly port: number; readonly address: string },
  timeout: number,
  done: (error: PosternError | undefined, socket: Socket | undefined) => void,
  reader?: SocketMemory,
): { cancel(): void } {
  const { host, port, address } = backend
  const options = { host, port, noDelay: true, allowHalfOpen: true, autoSelectFamily: true }
  const socket = connect(reader === undefined ? options : { ...options, onread: reader.onread })
  reader?.bind?.(socket)
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
