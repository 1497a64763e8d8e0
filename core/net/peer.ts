import { isIP, isIPv4 } from 'node:net'
import type { ByteStream } from './byte-stream.ts'

/** The other end of a client's connection, read once when the connection is accepted. */
export interface Peer {
  /** In the one spelling of `normalizeIp`. */
  readonly address: string
  readonly port: number
  /** Port of the gateway that it connected to. */
  readonly localPort: number
  /** Whether the connection itself is TLS. */
  readonly tls: boolean
  /** What named the address: the socket, or a PROXY protocol header in front of the client's bytes. */
  readonly via: 'socket' | 'proxy-protocol'
}

/** @param localPort Default: the stream is asked. A listener knows it: one call of the system less for each connection. */
export function peerOf(stream: ByteStream, localPort: number = stream.local()?.port ?? 0): Peer {
  const remote = stream.remote()
  return {
    address: normalizeIp(remote?.address ?? ''),
    port: remote?.port ?? 0,
    localPort,
    tls: stream.isTls,
    via: 'socket',
  }
}

/**
 * The one spelling of an address: IPv4-mapped IPv6 as IPv4, other IPv6 in lower case and compressed, without a zone. Text
 * that is not an address is returned unchanged.
 */
export function normalizeIp(text: string): string {
  if (text.indexOf(':') === -1) return text
  if (text.startsWith('::ffff:') && isIPv4(text.slice(7))) return text.slice(7)
  const zone = text.indexOf('%')
  const address = zone === -1 ? text : text.slice(0, zone)
  if (isIP(address) !== 6) return text
  const compressed = new URL(`http://[${address}]`).hostname.slice(1, -1)
  return compressed.startsWith('::ffff:') ? mappedToV4(compressed) : compressed
}

function mappedToV4(ip: string): string {
  // `::ffff:0:7f00:1` and `::ffff:7f00:1:1` have more: they are not mapped addresses (RFC 4291 §2.5.5.2).
  const [high, low, more] = ip.slice('::ffff:'.length).split(':')
  if (high === undefined || low === undefined || more !== undefined) return ip
  const value = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return value.map((part) => `${part >> 8}.${part & 0xff}`).join('.')
}
