import { connect, type OnReadOpts, type Socket } from 'node:net'
import { PosternError } from '../errors.ts'

/** What a socket reads into. */
export interface SocketMemory {
  readonly onread: OnReadOpts
  bind?(socket: Socket): void
}

/**
 * Opens a TCP connection to a backend, name resolution included.
 *
 * @param timeout Until the connection stands, ms.
 * @param done Called exactly once, never before this function has returned and never after `cancel`. The socket comes
 *   without listeners, half-open allowed and with no Nagle delay. The error is `UF`: status 504 when out of time, else 502.
 * @param reader Where all that comes is read to. Default: the socket has `data` events like any other.
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
    // Once done has the socket, it is not ours to destroy.
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
    fail(new PosternError('UF', `${address}: cannot connect: ${cause.code ?? cause.message}`, { cause }))
  }
  socket.once('connect', connected)
  socket.once('error', refused)
  return { cancel }
}
