import { bindingOf } from './tcp-binding.ts'

/** A UDP socket of node, below its sockets. Methods that can fail return 0, or a negative error number of the system. */
export interface UdpHandle {
  /** Found on `this` in the callback; set by `RawDatagram`. */
  keeper?: { onMessage(size: number, bytes: Buffer | undefined, from: { address: string; port: number }): void }
  /** @param size bytes of the datagram, or a negative error number; 0 without `from`: nothing is left to read */
  onmessage: (
    this: UdpHandle,
    size: number,
    handle: UdpHandle,
    bytes: Buffer | undefined,
    from: { address: string; port: number } | undefined,
  ) => void
  readonly fd: number
  connect(address: string, port: number): number
  connect6(address: string, port: number): number
  recvStart(): number
  recvStop(): number
  /**
   * @param rest port, address (both not on a connected socket), and whether the request has a callback
   * @returns 1 and the bytes that were sent; 0: they wait, until `oncomplete` of the request; or an error
   */
  send(request: SendRequest, list: readonly Uint8Array[], count: number, ...rest: SendRest): number
  send6(request: SendRequest, list: readonly Uint8Array[], count: number, ...rest: SendRest): number
  getsockname(to: object): number
  /** Sets a buffer; `context` gets the error. */
  bufferSize(size: number, isReceive: boolean, context: object): number | undefined
  close(done?: () => void): void
}

type SendRest = [port: number, address: string, hasCallback: boolean] | [hasCallback: boolean]

/** What is sent has to stay reachable until its callback. */
export interface SendRequest {
  oncomplete?: ((this: SendRequest, status: number) => void) | undefined
  kept?: unknown
}

export interface UdpBinding {
  readonly UDP: { new (): UdpHandle }
  readonly SendWrap: { new (): SendRequest }
}

/** Node's own interface to UDP, like `tcp` in `tcp-binding.ts`: not documented, and tried out before it is used. */
export const udp: UdpBinding | undefined =
  process.env.POSTERN_RAW_SOCKETS === '0' ? undefined : bindingOf<UdpBinding>('udp_wrap')
