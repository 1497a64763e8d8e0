import net, { type AddressInfo } from 'node:net'
import type { ListenerConfig } from '../config/types.ts'
import { bindError } from '../listen/bind.ts'
import type { BoundHandle } from '../listen/listener.ts'

/** Only there does the kernel spread connections over sockets bound to one port; elsewhere all workers share one. */
const spreads = process.platform === 'linux'

/** A bound socket that outlives the workers it is lent to: what waits in it is served by the next one. */
interface SlotSocket {
  /** Sent along with a message, it becomes a handle of the worker's own. */
  readonly handle: BoundHandle
  close(): void
}

/**
 * The sockets of one listener, one for each worker slot. The supervisor owns them and hands them to each successive worker
 * of the slot, because workers that bind for themselves lose what waits in their sockets when they end.
 */
export class SlotSockets {
  readonly port: number
  readonly #address: string
  readonly #sockets: (SlotSocket | undefined)[]

  /** @throws {Error} when the address cannot be bound; names the listener. */
  constructor(name: string, config: ListenerConfig, slots: number) {
    const { port } = config
    try {
      // With SO_REUSEPORT alone two gateways would share a port unnoticed.
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

  /** The slot's socket; bound anew when it was closed. */
  lend(slot: number): BoundHandle {
    const socket = this.#sockets[slot] ?? bindSocket(this.#address, this.port, spreads)
    this.#sockets[slot] = socket
    return socket.handle
  }

  /** No worker serves this slot for a while, so the kernel must not send connections there. */
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
    // A machine without IPv6 still has all of IPv4.
    if (host !== '::' || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error
    return { socket: new net.BoundSocket({ host: '0.0.0.0', port }), address: '0.0.0.0' }
  }
}

function bindSocket(host: string, port: number, reusePort: boolean): SlotSocket {
  // A socket that was never connected keeps the handle open; `_handle` is what `server.listen` documents to take.
  const holder = new net.Socket({ handle: new net.BoundSocket({ host, port, reusePort }) })
  const { _handle: handle } = holder as unknown as { _handle: BoundHandle }
  return { handle, close: () => void holder.destroy() }
}
