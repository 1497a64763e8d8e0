import { isIPv6 } from 'node:net'
import { areRawDatagramsUsable } from './datagram-check.ts'
import { bindSocket, handleOf, NodeDatagram } from './node-datagram.ts'
import { RawDatagram } from './raw-datagram.ts'
import { type UdpHandle, udp } from './udp-binding.ts'

/** Where a datagram comes from. */
export interface Sender {
  readonly address: string
  readonly port: number
}

/** Whom a socket calls. */
export interface DatagramOwner {
  /** @param bytes its own memory */
  onDatagram(bytes: Buffer, from: Sender): void
  /** Receiving, or a datagram sent before, has failed; the socket stays open. @param code `ECONNREFUSED` and others */
  onFailure(code: string): void
}

/** A UDP socket that receives since it was made. */
export interface DatagramSocket {
  /**
   * Sends one datagram, or drops it when the system has no room for it. The bytes must not be changed afterwards.
   *
   * @param to Default: the address that the socket is connected to
   * @returns why it was not sent, as far as that is known at once: `ECONNREFUSED` speaks of an earlier one
   */
  send(bytes: Buffer, to?: Sender): string | undefined
  readonly port: number
  /** Reads nothing more: what arrives waits for the other processes that have this socket. It still sends. */
  pause(): void
  /** No call of its owner follows. */
  close(): void
}

/**
 * Uses a bound socket of another process.
 *
 * @param handle as it has come with a message
 */
export function adoptDatagrams(handle: object, owner: DatagramOwner): DatagramSocket {
  if (areRawDatagramsUsable()) return new RawDatagram(handle as UdpHandle, owner)
  return NodeDatagram.adopt(handle, owner)
}

/** Binds a socket, with a large receive buffer. @throws an error of the system */
export function bindDatagrams(address: string, port: number, owner: DatagramOwner): DatagramSocket {
  if (!areRawDatagramsUsable()) return NodeDatagram.bind(address, port, owner)
  return new RawDatagram(handleOf(bindSocket(address, port)) as UdpHandle, owner)
}

/**
 * A socket that is connected to an address: it receives from there only, and hears when nothing listens there.
 *
 * @param address IP
 * @returns the socket, or the code of an error of the system
 */
export function connectDatagrams(address: string, port: number, owner: DatagramOwner): DatagramSocket | string {
  if (udp === undefined || !areRawDatagramsUsable()) return NodeDatagram.connect(address, port, owner)
  const handle = new udp.UDP()
  return RawDatagram.connect(handle, address, port, isIPv6(address), owner)
}
