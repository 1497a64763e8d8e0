import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { DatagramOwner, DatagramSocket, Sender } from './datagram.ts'

/** What the system keeps of datagrams that nothing has read yet, bytes: a worker that is replaced does not read for a moment. */
export const receiveBuffer: number = 4 * 1024 * 1024

/** The same of one session: a backend may send a burst, of which the usual 200 KB hold some 90 datagrams. */
export const sessionBuffer: number = 1024 * 1024

/** Addresses are IPs: the resolver is not asked, which saves a tick. */
const asIs = (host: string, family: unknown, done: (error: null, address: string, family: number) => void): void =>
  done(null, host, family === 6 ? 6 : 4)

type Lookup = NonNullable<Parameters<typeof createSocket>[0] & object>['lookup']

/** A socket of `node:dgram`. */
export class NodeDatagram implements DatagramSocket {
  readonly #socket: Socket
  #isOpen = true

  constructor(socket: Socket, owner: DatagramOwner) {
    this.#socket = socket
    socket.on('message', (bytes, from) => owner.onDatagram(bytes, from))
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (this.#isOpen) owner.onFailure(code ?? 'EIO')
    })
  }

  /** @throws an error of the system */
  static bind(address: string, port: number, owner: DatagramOwner): NodeDatagram {
    return new NodeDatagram(bindSocket(address, port), owner)
  }

  static adopt(handle: object, owner: DatagramOwner): NodeDatagram {
    const name: { family?: string } = {}
    ;(handle as { getsockname(to: object): void }).getsockname(name)
    const socket = newSocket(name.family === 'IPv6', false)
    socket.bind(handle as never)
    return new NodeDatagram(socket, owner)
  }

  static connect(address: string, port: number, owner: DatagramOwner): NodeDatagram | string {
    const socket = newSocket(isIPv6(address), false)
    let failure: string | undefined
    const failed = ({ code }: NodeJS.ErrnoException): void => {
      failure ??= code ?? 'EIO'
    }
    socket.on('error', failed)
    socket.connect(port, address)
    if (failure !== undefined) {
      socket.close()
      return failure
    }
    socket.off('error', failed)
    socket.setRecvBufferSize(sessionBuffer)
    return new NodeDatagram(socket, owner)
  }

  get port(): number {
    return this.#socket.address().port
  }

  send(bytes: Buffer, to?: Sender): string | undefined {
    if (!this.#isOpen) return 'EBADF'
    // Without a callback a failure would be an event that ends the process, if it came after the listener was removed.
    const sent = (error: Error | null): void => {
      if (error !== null && this.#isOpen) this.#socket.emit('error', error)
    }
    if (to === undefined) this.#socket.send(bytes, sent)
    else this.#socket.send(bytes, to.port, to.address, sent)
    return undefined
  }

  pause(): void {
    if (this.#isOpen) handleOf(this.#socket).recvStop()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#socket.close()
  }
}

function newSocket(isV6: boolean, reusePort: boolean): Socket {
  return createSocket({ type: isV6 ? 'udp6' : 'udp4', lookup: asIs as unknown as Lookup, reusePort })
}

/**
 * A bound socket, with a large receive buffer.
 *
 * @throws an error of the system
 */
export function bindSocket(address: string, port: number, reusePort = false): Socket {
  const socket = newSocket(isIPv6(address), reusePort)
  let failure: Error | undefined
  const failed = (error: Error): void => {
    failure ??= error
  }
  socket.on('error', failed)
  // Synchronous, as the resolver is not asked.
  socket.bind({ address, port, exclusive: true })
  if (failure !== undefined) {
    socket.close()
    throw failure
  }
  socket.off('error', failed)
  socket.setRecvBufferSize(receiveBuffer)
  return socket
}

interface Handle {
  recvStop(): number
}

/** The handle of a socket, which has no other way to stop reading, or to be sent without being read. */
export function handleOf(socket: Socket): Handle & object {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')
  const { handle } = (socket as unknown as Record<symbol, { handle?: Partial<Handle> }>)[symbol!] ?? {}
  if (typeof handle?.recvStop !== 'function') throw new Error('this node has no handle for UDP that can stop reading')
  return handle as Handle
}
