import { isIPv4, isIPv6 } from 'node:net'
import type { Endpoint } from './byte-stream.ts'
import { crc32c } from './crc32c.ts'
import type { ProxiedTls } from './proxy-header.ts'
import { clientBits, ofSsl, signature, type } from './proxy-v2.ts'

export type ProxyVersion = 'v1' | 'v2'

/** What a backend is told of the client's connection. */
export interface ProxiedClient {
  /** Its address may be empty, that of a Unix socket: then none is named. */
  readonly source: Endpoint
  /** Its address may be empty: not known. */
  readonly destination: Endpoint
  /** For version 2; `undefined`: it is not TLS. */
  readonly tls: ProxiedTls | undefined
}

/** Longest text of an addition. */
const longestText = 255

/**
 * The header in front of the bytes to a backend.
 *
 * @param client `undefined`: the gateway speaks for itself, as in a probe
 */
export function writeProxyHeader(version: ProxyVersion, client: ProxiedClient | undefined): Buffer {
  const ends = client && endsOf(client)
  if (version === 'v1') return Buffer.from(writeV1(ends), 'latin1')
  if (client === undefined) return Buffer.concat([signature, Uint8Array.of(0x20, 0, 0, 0)])
  return writeV2(ends, client.tls)
}

interface Ends {
  readonly isV6: boolean
  readonly source: Endpoint
  readonly destination: Endpoint
}

/** Both in one family; an IPv4 address beside an IPv6 one is mapped. `undefined`: the client has no address. */
function endsOf({ source, destination }: ProxiedClient): Ends | undefined {
  const isV6 = isIPv6(source.address)
  if (!isV6 && !isIPv4(source.address)) return undefined
  // Not known: the address that stands for every one.
  const to = destination.address || (isV6 ? '::' : '0.0.0.0')
  const areV6 = isV6 || isIPv6(to)
  const spell = (address: string): string => (areV6 && isIPv4(address) ? `::ffff:${address}` : address)
  return {
    isV6: areV6,
    source: { address: spell(source.address), port: source.port },
    destination: { address: spell(to), port: destination.port },
  }
}

function writeV1(ends: Ends | undefined): string {
  if (ends === undefined) return 'PROXY UNKNOWN\r\n'
  const { isV6, source, destination } = ends
  return `PROXY ${isV6 ? 'TCP6' : 'TCP4'} ${source.address} ${destination.address} ${source.port} ${destination.port}\r\n`
}

function writeV2(ends: Ends | undefined, tls: ProxiedTls | undefined): Buffer {
  const addresses = ends === undefined ? nothing : bytesOfEnds(ends)
  const additions = tls === undefined ? nothing : bytesOfTls(tls)
  const sum = addition(type.crc32c, Buffer.alloc(4))
  const head = Buffer.alloc(4)
  head[0] = 0x21
  head[1] = ends === undefined ? 0 : ends.isV6 ? 0x21 : 0x11
  head.writeUInt16BE(addresses.length + additions.length + sum.length, 2)
  const all = Buffer.concat([signature, head, addresses, additions, sum])
  all.writeUInt32BE(crc32c(all), all.length - 4)
  return all
}

function bytesOfEnds({ isV6, source, destination }: Ends): Buffer {
  const size = isV6 ? 16 : 4
  const bytes = Buffer.alloc(2 * size + 4)
  const spell = isV6 ? bytesOfV6 : bytesOfV4
  bytes.set(spell(source.address))
  bytes.set(spell(destination.address), size)
  bytes.writeUInt16BE(source.port, 2 * size)
  bytes.writeUInt16BE(destination.port, 2 * size + 2)
  return bytes
}

function bytesOfV4(address: string): number[] {
  return address.split('.').map(Number)
}

function bytesOfV6(address: string): number[] {
  const colon = address.lastIndexOf(':')
  const last = address.slice(colon + 1)
  const mapped = isIPv4(last) ? bytesOfV4(last) : undefined
  const text = mapped === undefined ? address : `${address.slice(0, colon)}:0:0`
  const [before = '', after] = text.split('::')
  const groups = (part: string): number[] => part.split(':').filter(Boolean).flatMap(bytesOfGroup)
  const head = groups(before)
  const tail = after === undefined ? [] : groups(after)
  const bytes = [...head, ...new Array<number>(16 - head.length - tail.length).fill(0), ...tail]
  if (mapped !== undefined) bytes.splice(12, 4, ...mapped)
  return bytes
}

function bytesOfGroup(group: string): number[] {
  const value = Number.parseInt(group, 16)
  return [value >> 8, value & 0xff]
}

function bytesOfTls({ alpn, serverName, version, cipher, client }: ProxiedTls): Buffer {
  const additions = [...textOf(type.alpn, alpn), ...textOf(type.authority, serverName)]
  if (version === undefined) return Buffer.concat(additions)
  const facts = Buffer.alloc(5)
  facts[0] = clientBits.ssl | (client === undefined ? 0 : clientBits.certificate | clientBits.certificateOfSession)
  // Zero only for a certificate that is verified (§2.2.5).
  facts.writeUInt32BE(client?.verified === true ? 0 : 1, 1)
  const inside = [
    ...textOf(ofSsl.version, version && `TLSv${version}`),
    ...textOf(ofSsl.cipher, cipher),
    ...textOf(ofSsl.commonName, client?.commonName),
  ]
  return Buffer.concat([...additions, addition(type.ssl, Buffer.concat([facts, ...inside]))])
}

/** What is too long to be true is left out. */
function textOf(kind: number, text: string | undefined): Buffer[] {
  const bytes = Buffer.from(text ?? '')
  return bytes.length === 0 || bytes.length > longestText ? [] : [addition(kind, bytes)]
}

function addition(kind: number, value: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(kind, value.length >> 8, value.length & 0xff), value])
}

const nothing = new Uint8Array(0)
