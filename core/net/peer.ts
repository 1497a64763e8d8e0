import { isIP, isIPv4 } from 'node:net'
import type { ByteStream, Endpoint } from './byte-stream.ts'
import type { ProxiedTls, ProxyHeader } from './proxy-header.ts'

/** The other end of a client's connection, read once when the connection is accepted. */
export interface Peer {
  /** In the one spelling of `normalizeIp`. */
  readonly address: string
  readonly port: number
  /** Port of the gateway that it connected to. */
  readonly localPort: number
  /** What its TLS handshake said; `undefined`: the connection itself is not TLS. */
  readonly tls: TlsFacts | undefined
  /** What named the address: the socket, or a PROXY protocol header in front of the client's bytes. */
  readonly via: 'socket' | 'proxy-protocol'
  /** What such a header says; `undefined`: the socket named the address. */
  readonly proxied?: Proxied | undefined
  /** Address of the gateway that it connected to; empty or `undefined`: not known. */
  readonly localAddress?: string | undefined
}

/** The client's connection to the first proxy, and who says so. */
export interface Proxied {
  /** Address of the socket, from which the header came. */
  readonly by: string
  /** Where the client connected to. */
  readonly destination: Endpoint
  /** `undefined`: it was not TLS, or the proxy did not say. */
  readonly tls: ProxiedTls | undefined
}

/**
 * What is known of the TLS of a client's connection: until the handshake is done only what the ClientHello says, and no more where
 * TLS is passed on to the backend.
 */
export interface TlsFacts {
  /** The name that the client asked for (SNI, RFC 6066 §3), in lower case; `undefined`: it asked for none. */
  readonly serverName: string | undefined
  /** The protocols that the client offers (ALPN, RFC 7301), in its order. */
  readonly offered: readonly string[]
  /** `1.2` or `1.3`. */
  readonly version: string | undefined
  /** As OpenSSL names it: `TLS_AES_128_GCM_SHA256`, `ECDHE-RSA-AES128-GCM-SHA256`. */
  readonly cipher: string | undefined
  /** The protocol that was agreed on (RFC 7301): `http/1.1`; `undefined`: none. */
  readonly alpn: string | undefined
  /** Whether the handshake continued an earlier session. */
  readonly resumed: boolean
  /** `undefined`: the client was not asked for a certificate, or sent none. */
  readonly client: ClientCertificate | undefined
}

/** The certificate of a client. It has proved that it has the key; whether it is to be believed is `verified`. */
export interface ClientCertificate {
  /** As RFC 4514 writes names: `CN=alice,O=Example`; empty: it has none. */
  readonly subject: string
  readonly issuer: string
  /** In hexadecimal, capital letters. */
  readonly serial: string
  /** Its alternative names, each with its kind: `DNS:a.example`, `URI:spiffe://example/a`, `email:a@b.example`, `IP:192.0.2.1`. */
  readonly san: readonly string[]
  /** SHA-256 of the certificate in hexadecimal, small letters. */
  readonly fingerprint: string
  /** Whether it leads to one of the listener's authorities, is valid now, and is not revoked. */
  readonly verified: boolean
  /** Why it is not verified. */
  readonly problem: string | undefined
  /** DER (X.509). */
  readonly der: Buffer
  /** DER of the certificates above it, each the issuer of the one before. */
  readonly chain: readonly Buffer[]
}

/** The client that a header names; without a name, the peer itself. */
export function peerBehind(peer: Peer, { ends, tls }: ProxyHeader): Peer {
  if (ends === undefined) return peer
  const { source, destination } = ends
  const proxied = { by: peer.address, destination, tls }
  return { ...peer, address: source.address, port: source.port, via: 'proxy-protocol', proxied }
}

/**
 * @param localPort Default: the stream is asked. A listener knows it: one call of the system less for each connection.
 * @param localAddress Default: not known.
 */
export function peerOf(
  stream: ByteStream,
  localPort: number = stream.local()?.port ?? 0,
  localAddress: string | undefined = undefined,
): Peer {
  const remote = stream.remote()
  return {
    address: normalizeIp(remote?.address ?? ''),
    port: remote?.port ?? 0,
    localPort,
    tls: undefined,
    via: 'socket',
    proxied: undefined,
    localAddress,
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
