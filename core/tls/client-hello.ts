import type { OwnAlert } from './alerts.ts'

/** What a client says before anything is encrypted. */
export interface ClientHello {
  /** The server that it asks for (SNI, RFC 6066 §3), in lower case and without a dot at its end. */
  readonly serverName: string | undefined
  /** The protocols that it offers (ALPN, RFC 7301), in its order. */
  readonly alpn: readonly string[]
}

export interface HelloProblem {
  readonly problem: string
  /** `undefined`: the bytes are not TLS. */
  readonly alert: OwnAlert | undefined
}

/** Most bytes of a ClientHello with its record headers. Real ones have at most some 2 KB. */
const maxHello = 16 * 1024

/** Most records that it may be split into. */
const maxRecords = 256

const handshake = 22
const clientHello = 1
const nothing = Buffer.alloc(0)

const notTls: HelloProblem = { problem: 'the client does not speak TLS', alert: undefined }
const manyRecords: HelloProblem = {
  problem: 'the ClientHello is split into more than 256 records',
  alert: 'unexpected_message',
}
const tooLong: HelloProblem = { problem: 'the ClientHello is larger than 16 KB', alert: 'record_overflow' }
const notHello: HelloProblem = {
  problem: 'the first message is not a ClientHello',
  alert: 'unexpected_message',
}
const malformed: HelloProblem = { problem: 'the ClientHello is malformed', alert: 'decode_error' }
const twice: HelloProblem = { problem: 'the ClientHello has an extension twice', alert: 'illegal_parameter' }
const badName: HelloProblem = { problem: 'the server name is not a host name', alert: 'illegal_parameter' }

/** Reads the ClientHello at the beginning of a connection, however it is split, and keeps its bytes. */
export class ClientHelloReader {
  /** All that has arrived. */
  bytes: Buffer = nothing
  readonly #isPassedOn: boolean
  /** With fewer bytes there is nothing new to see: a client may send them one by one. */
  #needed = 1

  /** @param isPassedOn whether the bytes go on as they came, and are not for a handshake with this gateway. Default: false */
  constructor(isPassedOn: boolean = false) {
    this.#isPassedOn = isPassedOn
  }

  get rest(): Buffer {
    return this.#isPassedOn ? this.bytes : nothing
  }

  /** @returns `undefined` while it is incomplete */
  push(bytes: Buffer): ClientHello | HelloProblem | undefined {
    this.bytes = this.bytes.length === 0 ? bytes : Buffer.concat([this.bytes, bytes])
    return this.bytes.length < this.#needed ? undefined : this.#read(this.bytes)
  }

  #read(bytes: Buffer): ClientHello | HelloProblem | undefined {
    if (bytes[0] !== handshake || (bytes.length > 1 && bytes[1] !== 3)) return notTls
    const records = contentOf(bytes)
    if ('problem' in records) return records
    const { content, end, isOver } = records
    if (content.length >= 4) {
      if (content[0] !== clientHello) return notHello
      const length = 4 + content.readUIntBE(1, 3)
      if (length > maxHello) return tooLong
      if (content.length >= length) return parseHello(content.subarray(4, length))
    }
    if (isOver) return notHello
    this.#needed = Math.max(end, bytes.length + 1)
    return bytes.length >= maxHello || end > maxHello + 5 ? tooLong : undefined
  }
}

interface Records {
  readonly content: Buffer
  /** Where the last one ends, or the header of the next. */
  readonly end: number
  /** Another kind of record follows, such as early data. */
  readonly isOver: boolean
}

/** What the records of a handshake hold. */
function contentOf(bytes: Buffer): Records | HelloProblem {
  const parts: Buffer[] = []
  let at = 0
  let isOver = false
  while (at + 5 <= bytes.length) {
    isOver = bytes[at] !== handshake || bytes[at + 1] !== 3
    if (isOver) break
    const size = bytes.readUInt16BE(at + 3)
    if (size === 0) return malformed
    if (parts.push(bytes.subarray(at + 5, at + 5 + size)) > maxRecords) return manyRecords
    at += 5 + size
  }
  const content = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  return { content, end: at > bytes.length ? at : at + 5, isOver }
}

/** RFC 8446 §4.1.2. Only what is needed is read; OpenSSL judges the rest. */
function parseHello(body: Buffer): ClientHello | HelloProblem {
  try {
    const hello = new Cursor(body, 0, body.length)
    hello.skip(2 + 32)
    hello.skip(hello.number(1))
    hello.skip(hello.number(2))
    hello.skip(hello.number(1))
    let serverName: string | undefined
    let alpn: readonly string[] = []
    const extensions = hello.part(hello.isAtEnd ? 0 : hello.number(2))
    if (!hello.isAtEnd) return malformed
    const seen = new Set<number>()
    while (!extensions.isAtEnd) {
      const type = extensions.number(2)
      // RFC 8446 §4.2. A backend that gets the same bytes could take the other one.
      if (seen.has(type)) return twice
      seen.add(type)
      const content = extensions.part(extensions.number(2))
      if (type === 0) serverName = serverNameOf(content)
      else if (type === 16) alpn = protocolsOf(content)
      else continue
      if (!content.isAtEnd) return malformed
    }
    if (serverName === undefined) return { serverName, alpn }
    if (!/^[\x21-\x7e]{1,255}$/.test(serverName)) return badName
    return { serverName: serverName.toLowerCase().replace(/\.$/, ''), alpn }
  } catch {
    return malformed
  }
}

function serverNameOf(content: Cursor): string | undefined {
  const list = content.part(content.number(2))
  let first: string | undefined
  while (!list.isAtEnd) {
    const type = list.number(1)
    const name = list.text(list.number(2))
    if (type !== 0) continue
    // RFC 6066 §3: one name of each kind.
    if (first !== undefined) throw new RangeError('two names')
    first = name
  }
  return first
}

function protocolsOf(content: Cursor): string[] {
  const list = content.part(content.number(2))
  const protocols: string[] = []
  while (!list.isAtEnd) protocols.push(list.text(list.number(1)))
  return protocols
}

/** Reads a part of the bytes forward, and throws at its end. */
class Cursor {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes
    this.#at = at
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end
  }

  number(size: 1 | 2): number {
    const at = this.#at
    this.skip(size)
    return size === 1 ? this.#bytes[at]! : (this.#bytes[at]! << 8) | this.#bytes[at + 1]!
  }

  text(size: number): string {
    const at = this.#at
    this.skip(size)
    return this.#bytes.toString('latin1', at, at + size)
  }

  part(size: number): Cursor {
    const at = this.#at
    this.skip(size)
    return new Cursor(this.#bytes, at, at + size)
  }

  skip(size: number): void {
    this.#at += size
    if (this.#at > this.#end) throw new RangeError('truncated')
  }
}
