import { type OnReadOpts, type Server, Socket, type SocketConstructorOpts } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { descriptors } from './descriptors.ts'
import { SocketReader } from './socket-reader.ts'

/**
 * Makes a listening server create the socket of each connection with a `SocketReader`; half-open is allowed and Nagle's
 * algorithm is off. `net.Server` has no option for a reader, so this replaces the one callback of its handle. If node has no
 * such callback, sockets arrive as usual, through the server's `connection` listener.
 *
 * @param paused true: nothing is read from a socket until it is resumed. Default: false.
 */
export function acceptWithReaders(server: Server, accept: (socket: Socket) => void, paused: boolean = false): void {
  const { _handle: listening } = server as Server & { _handle?: Listening | null }
  if (typeof listening?.onconnection !== 'function') return
  listening.onconnection = (status, handle) => {
    // One connection is lost. Node's server would emit an error, which ends the process.
    if (handle === undefined) return void descriptors.isCauseOf({ code: getSystemErrorName(status) })
    const reader = new SocketReader()
    handle.setNoDelay?.(true)
    descriptors.accepted(handle.fd ?? -1)
    const onread: OnReadOpts = reader.onread
    const options: unknown = { handle, allowHalfOpen: true, pauseOnCreate: paused, onread }
    const socket = new Socket(options as SocketConstructorOpts)
    reader.bind(socket)
    accept(socket)
  }
}

interface Listening {
  onconnection(status: number, handle: Accepted | undefined): void
}

interface Accepted {
  readonly fd?: number
  setNoDelay?(on: boolean): void
}
