import net, { type AddressInfo } from 'node:net'
import type { ListenerConfig } from '../config/types.ts'
import { bindError } from '../listen/bind.ts'
import type { BoundHandle } from '../listen/listener.ts'

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
  close(): void
}

/**
 * The sockets of one listener, one for each worker slot. The supervisor owns them and lends them to each successive
 * worker of the slot. If workers bound their own sockets, the connections that wait in them would be lost when a worker
 * ends.
 */
export class SlotSockets {
  readonly port: number
  readonly #address: string
  readonly #sockets: (SlotSocket | undefined)[]

  /** @throws {Error} when the address cannot be bound; the message names the listener. */
  constructor(name: string, config: ListenerConfig, slots: number) {
    const { port } = config
    try {
      // First without SO_REUSEPORT, because with it two gateways could share a port without noticing.
      const { socket, address } = bindAny(config.address, port)
      const bound = (socket.address() as AddressInfo).port
      this.#address = address
      this.port = bound
      socket.close()
      const first = bindSocket(address, bound, spreads)
      this.#sockets = Array.from({ length: slots }, (_, slot) => {
        return slot === 0 ? first : spreads ? bindSocket(address, bound, true) : first
      })
    } catch (error) {
      throw bindError(name, config.address, port, error as NodeJS.ErrnoException)
    }
  }

  /** The slot's socket; bound again if it was closed. */
  lend(slot: number): BoundHandle {
    const socket = this.#sockets[slot] ?? bindSocket(this.#address, this.port, spreads)
    this.#sockets[slot] = socket
    return socket.handle
  }

  /** Closes the socket of a slot that has no worker for a while, so that the kernel sends no connections to it. */
  closeSlot(slot: number): void {
    if (!spreads) return
    this.#sockets[slot]?.close()
    this.#sockets[slot] = undefined
  }

  close(): void {
    for (const socket of new Set(this.#sockets)) socket?.close()
    this.#sockets.fill(undefined)
  }
}

function bindAny(host: string, port: number): { socket: net.BoundSocket; address: string } {
  try {
    return { socket: new net.BoundSocket({ host, port }), address: host }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // On a machine without IPv6, `::` means all IPv4 addresses.
    if (host !== '::' || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error
    return { socket: new net.BoundSocket({ host: '0.0.0.0', port }), address: '0.0.0.0' }
  }
}

function bindSocket(host: string, port: number, reusePort: boolean): SlotSocket {
  // A socket that is never connected keeps the handle open. `server.listen` accepts an object with a `_handle`
  // (documented).
  const holder = new net.Socket({ handle: new net.BoundSocket({ host, port, reusePort }) })
  const { _handle: handle } = holder as unknown as { _handle: BoundHandle }
  return { handle, close: () => void holder.destroy() }
}
