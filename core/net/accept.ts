import { type OnReadOpts, type Server, Socket, type SocketConstructorOpts } from 'node:net'
import { SocketReader } from './socket-reader.ts'

/** Has a server, once it listens, make the sockets of its connections with a `SocketReader` each. See `acceptInto`. */
export function acceptWithReaders(server: Server, accept: (socket: Socket) => void): void {
  const make = (): SocketReader => new SocketReader()
  acceptInto(server, { make, paused: false }, (socket, reader) => {
    reader.bind(socket)
    accept(socket)
  })
}

/**
 * Has a server, once it listens, make the sockets of its connections with what they read into, paused or not; half-open is
 * allowed and there is no Nagle delay. It goes round `net.Server`, which has no option for that, by the one callback of its
 * handle; where there is none, sockets come as usual, through the listener for `connection`.
 */
export function acceptInto<Memory extends { readonly onread: OnReadOpts }>(
  server: Server,
  { make, paused }: { make(): Memory; readonly paused: boolean },
  accept: (socket: Socket, memory: Memory) => void,
): void {
  const { _handle: listening } = server as Server & { _handle?: Listening | null }
  if (typeof listening?.onconnection !== 'function') return
  const usual = listening.onconnection
  listening.onconnection = (status, handle) => {
    // Out of descriptors, for instance: the server knows what to do.
    if (handle === undefined) return usual.call(listening, status, handle)
    const memory = make()
    handle.setNoDelay?.(true)
    const options: unknown = { handle, allowHalfOpen: true, pauseOnCreate: paused, onread: memory.onread }
    accept(new Socket(options as SocketConstructorOpts), memory)
  }
}

interface Listening {
  onconnection(this: Listening, status: number, handle: Accepted | undefined): void
}

interface Accepted {
  setNoDelay?(on: boolean): void
}
