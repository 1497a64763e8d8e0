import { isIPv4, isIPv6 } from 'node:net'
import type { Endpoint } from './byte-stream.ts'
import { normalizeIp } from './peer.ts'
import { readV2, signature } from './proxy-v2.ts'

/** What a header of the PROXY protocol says (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt). */
export interface ProxyHeader {
  /** `undefined`: the sender speaks for itself (LOCAL) or does not know (UNKNOWN), so the ends of its own connection count. */
  readonly ends: ProxiedEnds | undefined
  /** Of the client's connection to the sender, which ended there; `undefined`: it was not TLS, or the sender did not say. */
  readonly tls: ProxiedTls | undefined
}

/** The connection between the client and the first proxy. Addresses are in the one spelling of `normalizeIp`. */
export interface ProxiedEnds {
  readonly source: Endpoint
  readonly destination: Endpoint
  /** Whether it is a connection, or datagrams. */
  readonly transport: 'stream' | 'datagram'
}

/** What version 2 says of TLS between a client and the first proxy. */
export interface ProxiedTls {
  /** The server that the client asked for (SNI). */
  readonly serverName: string | undefined
  /** The protocol that was agreed on. */
  readonly alpn: string | undefined
  /** `1.3`; `undefined`: TLS does not end at the sender, which has only looked at the name. */
  readonly version: string | undefined
  readonly cipher: string | undefined
  /** `undefined`: the client sent no certificate. */
  readonly client: ProxiedCertificate | undefined
}

export interface ProxiedCertificate {
  readonly commonName: string | undefined
  readonly verified: boolean
}

/** Why bytes are no header. */
export interface ProxyProblem {
  readonly problem: string
}

/** Longest header of version 1, its CR LF included. */
const largestV1 = 107

const start = Buffer.from('PROXY ', 'latin1')

const nothing: Buffer = Buffer.alloc(0)

/** Reads the header in front of the bytes of a client. Every byte may come alone; what is wrong is told with the first byte that shows it. */
export class ProxyHeaderReader {
  /** What follows the header. */
  rest: Buffer = nothing
  #bytes: Buffer = nothing

  /** @returns `undefined`: more is needed */
  push(bytes: Buffer): ProxyHeader | ProxyProblem | undefined {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
    const all = this.#bytes
    if (isPrefixOf(all, start)) return all.length < start.length ? undefined : this.#readV1(all)
    if (isPrefixOf(all, signature)) return all.length < signature.length ? undefined : this.#readV2(all)
    return { problem: 'the connection does not begin with a PROXY protocol header' }
  }

  #readV1(all: Buffer): ProxyHeader | ProxyProblem | undefined {
    const end = all.subarray(0, largestV1).indexOf('\r\n')
    if (end === -1) {
      if (all.length < largestV1) return undefined
      return { problem: `a PROXY protocol header of version 1 is longer than ${largestV1} bytes` }
    }
    this.rest = all.subarray(end + 2)
    return parseV1(all.toString('latin1', start.length, end))
  }

  #readV2(all: Buffer): ProxyHeader | ProxyProblem | undefined {
    const found = readV2(all)
    if (found === undefined || 'problem' in found) return found
    this.rest = all.subarray(found.length)
    return found.header
  }
}

/** Whether one of the two begins with the other. */
function isPrefixOf(bytes: Buffer, whole: Buffer): boolean {
  const count = Math.min(bytes.length, whole.length)
  return whole.compare(bytes, 0, count, 0, count) === 0
}

/** @param line without `PROXY ` and CR LF */
function parseV1(line: string): ProxyHeader | ProxyProblem {
  // The receiver has to ignore what follows the word.
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return { ends: undefined, tls: undefined }
  const [family = '', from = '', to = '', fromPort = '', toPort = '', ...more] = line.split(' ')
  if (family !== 'TCP4' && family !== 'TCP6')
    return { problem: `the PROXY protocol header names no family that is known: ${show(family)}` }
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6
  for (const text of [from, to]) {
    if (!isAddress(text) || text.includes('%'))
      return { problem: `the PROXY protocol header has no ${family} address where one belongs: ${show(text)}` }
  }
  for (const text of [fromPort, toPort]) {
    if (!/^(?:0|[1-9]\d{0,4})$/.test(text) || Number(text) > 65_535)
      return { problem: `the PROXY protocol header has no port where one belongs: ${show(text)}` }
  }
  if (more.length > 0) return { problem: 'the PROXY protocol header has more than two addresses and two ports' }
  const source = { address: normalizeIp(from), port: Number(fromPort) }
  const destination = { address: normalizeIp(to), port: Number(toPort) }
  return { ends: { source, destination, transport: 'stream' }, tls: undefined }
}

function show(text: string): string {
  return JSON.stringify(text)
}
