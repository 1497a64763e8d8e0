import type { Socket as UdpSocket } from 'node:dgram'
import net, { type AddressInfo } from 'node:net'
import type { ListenerConfig } from '../config/types.ts'
import { bindError } from '../listen/bind.ts'
import type { BoundHandle } from '../listen/listener.ts'
import { bindSocket as bindUdp, handleOf, receiveBuffer } from '../net/node-datagram.ts'
import { unixPath } from '../net/unix-address.ts'
import { bindUnix } from '../net/unix-listening.ts'

/**
 * Only Linux spreads connections over several sockets bound to one port. On other systems all workers share one socket.
 */
const spreads = process.platform === 'linux'

/**
 * A bound socket that outlives the workers that it is lent to: the next worker serves the connections that wait in it.
 */
interface SlotSocket {
  /** Sent with a message, it becomes a handle in the worker. */
  readonly handle: BoundHandle
  /** See `SlotSockets.shortBuffer`. */
  readonly shortBuffer?: number | undefined
  close(): void
}

/** How sockets of a protocol are bound. Both throw an error of the system. */
interface Binding {
  /** Binds the address once and gives it up again. @returns the port, also for 0 */
  bindAny(host: string, port: number): number
  bindSocket(host: string, port: number, reusePort: boolean): SlotSocket
}

/**
 * The sockets of one listener, one for each worker slot. The supervisor owns them and lends them to each successive
 * worker of the slot. If workers bound their own sockets, the connections that wait in them would be lost when a worker
 * ends.
 */
export class SlotSockets {
  readonly port: number
  /** Bytes that each holds of what is not read yet, where that is less than it should be; udp only. */
  readonly shortBuffer: number | undefined
  /** Or all slots share one socket, as they do that of a path. */
  readonly #spreads: boolean
  readonly #bind: (reusePort: boolean) => SlotSocket
  readonly #sockets: (SlotSocket | undefined)[]

  /** @throws {Error} when the address cannot be bound; the message names the listener. */
  constructor(name: string, config: ListenerConfig, slots: number) {
    const { port } = config
    const path = unixPath(config.address)
    const { bindAny, bindSocket } =
      path === undefined ? (config.protocol === 'udp' ? ofUdp : ofTcp) : ofUnix(path, config)
    this.#spreads = spreads && path === undefined
    try {
      // First without SO_REUSEPORT, because with it two gateways could share a port without noticing.
      const { address, port: bound } = onEvery(config.address, (host) => bindAny(host, port))
      this.port = bound
      this.#bind = (reusePort) => bindSocket(address, bound, reusePort)
      const first = this.#bind(this.#spreads)
      this.shortBuffer = first.shortBuffer
      this.#sockets = Array.from({ length: slots }, (_, slot) => {
        return slot === 0 ? first : this.#spreads ? this.#bind(true) : first
      })
    } catch (error) {
      throw bindError(name, config.address, port, error as NodeJS.ErrnoException)
    }
  }

  /** The slot's socket; bound again if it was closed. */
  lend(slot: number): BoundHandle {
    const socket = this.#sockets[slot] ?? this.#bind(this.#spreads)
    this.#sockets[slot] = socket
    return socket.handle
  }

  /** Closes the socket of a slot that has no worker for a while, so that the kernel sends no connections to it. */
  closeSlot(slot: number): void {
    if (!this.#spreads) return
    this.#sockets[slot]?.close()
    this.#sockets[slot] = undefined
  }

  close(): void {
    for (const socket of new Set(this.#sockets)) socket?.close()
    this.#sockets.fill(undefined)
  }
}

/** Binds an address. On a machine without IPv6, `::` means all IPv4 addresses. */
function onEvery(host: string, bind: (host: string) => number): { address: string; port: number } {
  try {
    return { address: host, port: bind(host) }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (host !== '::' || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error
    return { address: '0.0.0.0', port: bind('0.0.0.0') }
  }
}

const ofTcp: Binding = {
  bindAny(host, port) {
    const socket = new net.BoundSocket({ host, port })
    const { port: bound } = socket.address() as AddressInfo
    socket.close()
    return bound
  },
  bindSocket(host, port, reusePort) {
    // A socket that is never connected keeps the handle open. `server.listen` accepts an object with a `_handle`
    // (documented).
    const holder = new net.Socket({ handle: new net.BoundSocket({ host, port, reusePort }) })
    const { _handle: handle } = holder as unknown as { _handle: BoundHandle }
    return { handle, close: () => void holder.destroy() }
  },
}

const ofUdp: Binding = {
  bindAny(host, port) {
    const socket = bindUdp(host, port)
    const { port: bound } = socket.address()
    socket.close()
    return bound
  },
  bindSocket(host, port, reusePort) {
    const socket = bindUdp(host, port, reusePort)
    const handle = handleOf(socket)
    // Or the supervisor would read what is for its workers.
    handle.recvStop()
    return { handle, shortBuffer: shortBuffer(socket), close: () => void socket.close() }
  },
}

function ofUnix(path: string, { mode }: ListenerConfig): Binding {
  return {
    bindAny: () => 0,
    bindSocket() {
      const handle = bindUnix(path, mode!)
      return { handle, close: () => handle.close() }
    },
  }
}

/** What the kernel has given a socket, if it is less than was asked for. */
function shortBuffer(socket: UdpSocket): number | undefined {
  // Linux says twice as much, as it counts its own bookkeeping.
  const size = socket.getRecvBufferSize() / (process.platform === 'linux' ? 2 : 1)
  return size < receiveBuffer ? size : undefined
}
