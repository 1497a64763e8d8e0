import { createServer, type Server, type ServerOpts, type Socket } from 'node:net'
import { acceptStreams } from '../../core/net/accept.ts'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { connectTo } from '../../core/net/connect.ts'
import { checkRawSockets } from '../../core/net/raw-check.ts'
import { checkRawTls } from '../../core/net/raw-tls-check.ts'
import { open as openTcp } from '../helpers/client.ts'

/** What carries the bytes between the client, the codec and the backend. */
export interface Transport {
  /** A server of the backend's side. */
  createServer(options: ServerOpts, onSocket: (socket: Socket) => void): Server
  /** Listens as a listener does, on a free loopback port. */
  listen(accept: (stream: ByteStream) => void): Promise<Server>
  /** As the pool reaches a backend. */
  readonly connectTo: typeof connectTo
  /** As a client reaches the codec. */
  open(port: number): Promise<Socket>
  /** Breaks the connection with a TCP reset. */
  reset(socket: Socket): void
  /** Writes, and resets the connection as soon as the kernel has what was written. */
  writeAndReset(socket: Socket, text: string): void
  /** Whether somebody on the way could have caused the end that `socket` saw. */
  isCut(socket: Socket): boolean
}

await checkRawSockets()
await checkRawTls()

const tcp: Transport = {
  createServer,
  async listen(accept) {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    acceptStreams(server, accept)
    return server
  },
  connectTo,
  open: openTcp,
  reset: (socket) => void socket.resetAndDestroy(),
  writeAndReset: (socket, text) => {
    socket.write(text)
    socket.resetAndDestroy()
  },
  isCut: () => false,
}

let current: Transport = tcp

/** Has all that follows in this file of tests carried by something else than TCP. */
export function carryBy(transport: Transport): void {
  current = transport
}

export function carrier(): Transport {
  return current
}

/** A raw connection, half-open allowed; ended when the test is over. */
export function open(port: number): Promise<Socket> {
  return current.open(port)
}

export function reset(socket: Socket): void {
  current.reset(socket)
}

export function writeAndReset(socket: Socket, text: string): void {
  current.writeAndReset(socket, text)
}
