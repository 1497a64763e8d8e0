import { type OnReadOpts, type Server, Socket, type SocketConstructorOpts } from 'node:net'
import { SocketReader } from './socket-reader.ts'

/**
 * Lets a server, once it listens, make the socket of each connection with a `SocketReader`; half-open is allowed and there
 * is no Nagle delay. `net.Server` has no option for that, so this replaces the one callback of its handle; where there is no
 * such callback, sockets come as usual, through the listener for `connection`.
 *
 * @param paused whether nothing is read from a socket before it is resumed.
 */
export function acceptWithReaders(server: Server, accept: (socket: Socket) => void, paused: boolean = false): void {
  const { _handle: listening } = server as Server & { _handle?: Listening | null }
  if (typeof listening?.onconnection !== 'function') return
  const usual = listening.onconnection
  listening.onconnection = (status, handle) => {
    // Out of descriptors, for instance: the server knows what to do.
    if (handle === undefined) return usual.call(listening, status, handle)
    const reader = new SocketReader()
    handle.setNoDelay?.(true)
    const onread: OnReadOpts = reader.onread
    const options: unknown = { handle, allowHalfOpen: true, pauseOnCreate: paused, onread }
    const socket = new Socket(options as SocketConstructorOpts)
    reader.bind(socket)
    accept(socket)
  }
}

interface Listening {
  onconnection(this: Listening, status: number, handle: Accepted | undefined): void
}

interface Accepted {
  setNoDelay?(on: boolean): void
}
