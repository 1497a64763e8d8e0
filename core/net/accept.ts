import { type Server, Socket, type SocketConstructorOpts } from 'node:net'
import { getSystemErrorName } from 'node:util'
import type { ByteStream } from './byte-stream.ts'
import { descriptors } from './descriptors.ts'
import { DuplexStream, SocketReader } from './duplex-stream.ts'
import { type KeepAlive, keepAlive } from './keep-alive.ts'
import { areRawSocketsUsable } from './raw-check.ts'
import { RawSocket } from './raw-socket.ts'
import type { TcpHandle } from './tcp-binding.ts'

/**
 * Makes a listening server pass on each connection as a `ByteStream` that has not been started; half-open is allowed and
 * Nagle's algorithm is off. `net.Server` has no option for a reader, so this replaces the one callback of its handle. If node
 * has no such callback, sockets arrive as usual.
 *
 * @param kept where connections do not inherit it from the listening handle. Default: none.
 */
export function acceptStreams(
  server: Server,
  accept: (stream: ByteStream) => void,
  kept: () => KeepAlive | undefined = () => undefined,
): void {
  const { _handle: listening } = server as Server & { _handle?: Listening | null }
  if (listening === null || listening === undefined || !('onconnection' in listening || 'listen' in listening)) {
    server.on('connection', (socket) => accept(new DuplexStream(socket)))
    return
  }
  // One of a Unix socket has no Nagle's algorithm.
  const isTcp = listening.setNoDelay !== undefined
  // On Linux a connection has what its listening socket had: 0.5 µs less for each.
  const isInherited = process.platform === 'linux' && listening.setNoDelay?.(true) === 0
  listening.onconnection = (status, handle) => {
    // One connection is lost. Node's server would emit an error, which ends the process.
    if (handle === undefined) return void descriptors.isCauseOf({ code: getSystemErrorName(status) })
    if (!isInherited) {
      handle.setNoDelay?.(true)
      keepAlive(handle, kept())
    }
    descriptors.accepted(handle.fd ?? -1)
    if (isTcp && areRawSocketsUsable()) return accept(new RawSocket(handle as TcpHandle))
    const reader = new SocketReader()
    const options: unknown = { handle, allowHalfOpen: true, pauseOnCreate: true, onread: reader.onread }
    accept(new DuplexStream(new Socket(options as SocketConstructorOpts), reader))
  }
}

interface Listening {
  setNoDelay?(on: boolean): number
  onconnection(status: number, handle: (Partial<TcpHandle> & object) | undefined): void
}
