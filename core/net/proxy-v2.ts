import { crc32c } from './crc32c.ts'
import { normalizeIp } from './peer.ts'
import type { ProxiedEnds, ProxiedTls, ProxyHeader, ProxyProblem } from './proxy-header.ts'

/** The first bytes of version 2: no line of text begins so. */
export const signature: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** Bytes up to the addresses: signature, version and command, family, length. */
const fixed = 16

/**
 * Longest header of version 2 that is taken. The field for its length allows 64 KB; the addresses and all additions that are
 * specified fit into a few hundred bytes, but for a client's certificate.
 */
const largestV2 = 4096

/** Types of additions (§2.2). */
export const type = { alpn: 0x01, authority: 0x02, crc32c: 0x03, noop: 0x04, ssl: 0x20 } as const
/** Types inside of `ssl`. */
export const ofSsl = { version: 0x21, commonName: 0x22, cipher: 0x23 } as const
/** Bits of the first byte of `ssl`. */
export const clientBits = { ssl: 1, certificate: 2, certificateOfSession: 4 } as const

/** Length of the addresses and ports of a family. */
const inet = 12
const inet6 = 36

const local: ProxyHeader = { ends: undefined, tls: undefined }

interface Found {
  readonly header: ProxyHeader
  /** In bytes, its first ones included. */
  readonly length: number
}

/** @param bytes they begin with the signature. @returns `undefined`: more are needed */
export function readV2(bytes: Buffer): Found | ProxyProblem | undefined {
  const command = bytes[12]
  if (command === undefined) return undefined
  if (command !== 0x20 && command !== 0x21) {
    const what = command >> 4 === 2 ? `the command ${command & 15}` : `the version ${command >> 4}`
    return { problem: `the PROXY protocol header has ${what}, which is unknown` }
  }
  const isLocal = command === 0x20
  const family = bytes[13]
  if (family === undefined) return undefined
  const least = isLocal ? 0 : addressBytes(family)
  if (typeof least === 'string') return { problem: least }
  if (bytes.length < fixed) return undefined
  const length = fixed + bytes.readUInt16BE(14)
  if (length > largestV2)
    return { problem: `the PROXY protocol header has ${length} bytes, and the limit is ${largestV2} bytes` }
  if (length < fixed + least)
    return { problem: `the PROXY protocol header has ${length - fixed} bytes for addresses of ${least} bytes` }
  if (bytes.length < length) return undefined
  // With these the whole block is to be ignored.
  if (isLocal || family === 0) return { header: local, length }
  const ends = readEnds(bytes, family)
  const tls = new Additions(bytes.subarray(0, length)).read(fixed + least)
  return typeof tls === 'string' ? { problem: tls } : { header: { ends, tls }, length }
}

/** Bytes of the addresses of a family, or why there is no such family. */
function addressBytes(family: number): number | string {
  if (family === 0x00) return 0
  if (family === 0x11 || family === 0x12) return inet
  if (family === 0x21 || family === 0x22) return inet6
  if (family === 0x31 || family === 0x32) return 'the PROXY protocol header names a Unix socket, which is no address'
  return `the PROXY protocol header has the family 0x${family.toString(16).padStart(2, '0')}, which is unknown`
}

function readEnds(bytes: Buffer, family: number): ProxiedEnds {
  const transport = (family & 15) === 1 ? 'stream' : 'datagram'
  const size = family >> 4 === 1 ? 4 : 16
  const ports = fixed + 2 * size
  const source = { address: addressAt(bytes, fixed, size), port: bytes.readUInt16BE(ports) }
  const destination = { address: addressAt(bytes, fixed + size, size), port: bytes.readUInt16BE(ports + 2) }
  return { source, destination, transport }
}

function addressAt(bytes: Buffer, at: number, size: number): string {
  if (size === 4) return bytes.subarray(at, at + 4).join('.')
  return normalizeIp((bytes.toString('hex', at, at + 16).match(/.{4}/g) as string[]).join(':'))
}

/** What follows the addresses: type, length and value each (TLV). Each method returns why it is not well-formed, if it is not. */
class Additions {
  readonly #bytes: Buffer
  readonly #texts = new Map<number, string>()
  #client: ProxiedTls['client']
  #isTls = false

  /** @param bytes the whole header */
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  read(from: number): ProxiedTls | string | undefined {
    const texts = this.#texts
    const problem = this.#each(from, this.#bytes.length, (kind, at, end) => this.#take(kind, at, end))
    if (problem !== undefined) return problem
    const serverName = texts.get(type.authority)?.toLowerCase()
    if (serverName === undefined && !this.#isTls) return undefined
    return {
      serverName,
      alpn: texts.get(type.alpn),
      version: this.#isTls ? (texts.get(ofSsl.version) ?? '').replace(/^TLSv/, '') : undefined,
      cipher: texts.get(ofSsl.cipher),
      client: this.#client && { ...this.#client, commonName: texts.get(ofSsl.commonName) },
    }
  }

  #each(
    from: number,
    end: number,
    take: (kind: number, at: number, end: number) => string | undefined,
  ): string | undefined {
    const bytes = this.#bytes
    const cut = 'the PROXY protocol header ends in the middle of an addition (TLV)'
    for (let at = from; at < end; ) {
      if (end - at < 3) return cut
      const next = at + 3 + bytes.readUInt16BE(at + 1)
      if (next > end) return cut
      const problem = take(bytes[at]!, at + 3, next)
      if (problem !== undefined) return problem
      at = next
    }
    return undefined
  }

  #take(kind: number, at: number, end: number): string | undefined {
    if (kind === type.crc32c) return this.#checkSum(at, end)
    if (kind === type.ssl) return this.#takeSsl(at, end)
    if (kind === type.alpn || kind === type.authority) this.#texts.set(kind, this.#bytes.toString('utf8', at, end))
    return undefined
  }

  #checkSum(at: number, end: number): string | undefined {
    if (end - at !== 4) return `the checksum of the PROXY protocol header has ${end - at} bytes instead of 4`
    const bytes = this.#bytes
    const sum = crc32c(bytes.subarray(end), crc32c(Buffer.alloc(4), crc32c(bytes.subarray(0, at))))
    return sum === bytes.readUInt32BE(at) ? undefined : 'the checksum (CRC32c) of the PROXY protocol header is wrong'
  }

  #takeSsl(at: number, end: number): string | undefined {
    if (end - at < 5) return `the TLS facts of the PROXY protocol header have ${end - at} bytes, and the least is 5`
    const bits = this.#bytes[at]!
    this.#isTls = (bits & clientBits.ssl) !== 0
    const hasCertificate = (bits & (clientBits.certificate | clientBits.certificateOfSession)) !== 0
    const verified = this.#bytes.readUInt32BE(at + 1) === 0
    if (this.#isTls && hasCertificate) this.#client = { commonName: undefined, verified }
    return this.#each(at + 5, end, (kind, from, to) => {
      const isKnown = kind === ofSsl.version || kind === ofSsl.commonName || kind === ofSsl.cipher
      if (isKnown) this.#texts.set(kind, this.#bytes.toString('utf8', from, to))
      return undefined
    })
  }
}
