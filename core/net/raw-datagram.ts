import { getSystemErrorName } from 'node:util'
import type { DatagramOwner, DatagramSocket, Sender } from './datagram.ts'
import { sessionBuffer } from './node-datagram.ts'
import { type SendRequest, type UdpHandle, udp } from './udp-binding.ts'

/** Most datagrams of a socket that wait for the system, which takes them at once unless its buffer is full. */
const mostWaiting = 64

/** The requests of sends that were synchronous can be used again. */
let spare: SendRequest | undefined

/** A socket on node's handle: a third less CPU time for a round trip than `node:dgram`, and no tick before the first datagram. */
export class RawDatagram implements DatagramSocket {
  readonly #handle: UdpHandle
  readonly #owner: DatagramOwner
  readonly #isIPv6: boolean
  readonly port: number
  #waiting = 0
  #isOpen = true

  /** @param connectedTo whether it is an IPv6 socket, for one that is connected; else the handle is asked. */
  constructor(handle: UdpHandle, owner: DatagramOwner, connectedTo?: { readonly isIPv6: boolean }) {
    this.#handle = handle
    this.#owner = owner
    const name: { family?: string; port?: number } = {}
    if (connectedTo === undefined) handle.getsockname(name)
    this.port = name.port ?? 0
    this.#isIPv6 = connectedTo?.isIPv6 ?? name.family === 'IPv6'
    handle.keeper = this
    handle.onmessage = onMessage
    handle.recvStart()
  }

  static connect(
    handle: UdpHandle,
    address: string,
    port: number,
    isIPv6: boolean,
    owner: DatagramOwner,
  ): RawDatagram | string {
    const status = isIPv6 ? handle.connect6(address, port) : handle.connect(address, port)
    if (status === 0) {
      // Without it the kernel's default holds; what went wrong does not matter.
      handle.bufferSize(sessionBuffer, true, {})
      return new RawDatagram(handle, owner, { isIPv6 })
    }
    handle.close()
    return getSystemErrorName(status)
  }

  send(bytes: Buffer, to?: Sender): string | undefined {
    if (!this.#isOpen) return 'EBADF'
    if (this.#waiting >= mostWaiting) return 'ENOBUFS'
    const request = spare ?? new udp!.SendWrap()
    spare = undefined
    const list = [bytes]
    const status = this.#send(request, list, to)
    if (status === 0) this.#wait(request, list)
    else spare = request
    return status < 0 ? getSystemErrorName(status) : undefined
  }

  #send(request: SendRequest, list: readonly Buffer[], to: Sender | undefined): number {
    const handle = this.#handle
    // The callback is asked for whatever happens: without it the memory could be given up while the system still reads it.
    if (to === undefined) return handle.send(request, list, 1, true)
    if (this.#isIPv6) return handle.send6(request, list, 1, to.port, to.address, true)
    return handle.send(request, list, 1, to.port, to.address, true)
  }

  #wait(request: SendRequest, list: readonly Buffer[]): void {
    this.#waiting++
    request.kept = list
    request.oncomplete = (status) => {
      this.#waiting--
      if (status < 0 && this.#isOpen) this.#owner.onFailure(getSystemErrorName(status))
    }
  }

  /** For the handle. */
  onMessage(size: number, bytes: Buffer | undefined, from: Sender): void {
    if (!this.#isOpen) return
    if (size < 0) this.#owner.onFailure(getSystemErrorName(size))
    else if (bytes !== undefined) this.#owner.onDatagram(bytes, from)
  }

  pause(): void {
    if (this.#isOpen) this.#handle.recvStop()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#handle.close()
  }
}

const onMessage: UdpHandle['onmessage'] = function (size, _handle, bytes, from) {
  this.keeper!.onMessage(size, bytes, from!)
}
