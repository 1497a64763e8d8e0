import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { onTestFinished } from 'vitest'
import type { Json } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

/** A datagram as a backend or a client has received it. */
export interface Received {
  readonly text: string
  readonly bytes: Buffer
  readonly from: RemoteInfo
}

export interface UdpPeer {
  readonly socket: Socket
  readonly port: number
  readonly received: Received[]
  close(): Promise<void>
}

/** A socket on the loopback; closed when the test is over. @param onDatagram called for each datagram */
export async function udpPeer(
  onDatagram?: (received: Received, peer: UdpPeer) => void,
  port = 0,
  address = '127.0.0.1',
): Promise<UdpPeer> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  await new Promise<void>((resolve) => socket.bind(port, address, resolve))
  socket.setRecvBufferSize(4 * 1024 * 1024)
  const received: Received[] = []
  let closing: Promise<void> | undefined
  const peer: UdpPeer = {
    socket,
    port: socket.address().port,
    received,
    close: () => {
      closing ??= new Promise((resolve) => socket.close(resolve))
      return closing
    },
  }
  socket.on('message', (bytes, from) => {
    const one = { text: bytes.toString('latin1'), bytes, from }
    received.push(one)
    onDatagram?.(one, peer)
  })
  onTestFinished(() => peer.close())
  return peer
}

/** A backend that sends back what it gets, with its name in front. */
export function echo(name: string): Promise<UdpPeer> {
  return udpPeer(({ text, from }, { socket }) => socket.send(`${name}:${text}`, from.port, from.address))
}

/** A client of one port, to which it sends. */
export class UdpClient {
  readonly peer: UdpPeer
  readonly #to: number

  constructor(peer: UdpPeer, to: number) {
    this.peer = peer
    this.#to = to
  }

  /** @param address from which it sends */
  static async to(port: number, address?: string): Promise<UdpClient> {
    return new UdpClient(await udpPeer(undefined, 0, address), port)
  }

  send(bytes: string | Buffer): void {
    this.peer.socket.send(bytes, this.#to, '127.0.0.1')
  }

  /** Sends, and waits for one more answer. */
  async ask(bytes: string | Buffer): Promise<string> {
    const { received } = this.peer
    const before = received.length
    this.send(bytes)
    return until(`an answer to ${bytes.toString().slice(0, 40)}`, () => received[before]?.text)
  }
}

export function udpConfig(
  ports: readonly number[],
  upstream: { [name: string]: Json } = {},
  listener: { [name: string]: Json } = {},
): { [section: string]: { [name: string]: Json } } {
  return {
    listeners: { dns: { protocol: 'udp', address: '127.0.0.1', port: 0, ...listener } },
    routes: { names: { listener: 'dns', upstream: 'pool' } },
    upstreams: {
      pool: { protocol: 'udp', backends: ports.map((port) => ({ address: `127.0.0.1:${port}` })), ...upstream },
    },
  }
}
