import { createServer, type Server, type ServerOpts, type Socket } from 'node:net'
import { acceptWithReaders } from '../../core/net/accept.ts'
import { connectTo } from '../../core/net/connect.ts'
import { open as openTcp } from '../helpers/client.ts'

/** What carries the bytes between the client, the codec and the backend. */
export interface Transport {
  createServer(options: ServerOpts, onSocket: (socket: Socket) => void): Server
  /** What a listener does once its server listens. */
  listening?(server: Server, onSocket: (socket: Socket) => void): void
  /** As the pool reaches a backend. */
  readonly connectTo: typeof connectTo
  /** As a client reaches the codec. */
  open(port: number): Promise<Socket>
  /** Breaks the connection with a TCP reset. */
  reset(socket: Socket): void
  /** Whether somebody on the way could have caused the end that `socket` saw. */
  isCut(socket: Socket): boolean
}

const tcp: Transport = {
  createServer,
  listening: acceptWithReaders,
  connectTo,
  open: openTcp,
  reset: (socket) => void socket.resetAndDestroy(),
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
