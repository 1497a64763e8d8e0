import { connect } from 'node:net'
import type { Codec, Reading } from './codec.ts'
import { flags, ping, typeNames } from './frames.ts'
import { type Frame, RawPeer } from './raw.ts'

/** A connection to a codec that sends what a test gives it, wrong as it may be, and nothing else. */
export class Feed {
  readonly #codec: Codec
  readonly #client: RawPeer
  readonly #port: number

  private constructor(codec: Codec, client: RawPeer) {
    this.#codec = codec
    this.#client = client
    this.#port = client.socket.localPort ?? 0
  }

  static async open(codec: Codec): Promise<Feed> {
    const socket = connect({ host: '127.0.0.1', port: codec.port, allowHalfOpen: true })
    const client = new RawPeer(socket, true, { settings: false, acks: false, credit: false })
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new Feed(codec, client)
  }

  /** The requests whose end the codec has seen, in the order of their streams. */
  get whole(): Reading[] {
    return this.#codec.readings(this.#port).filter(({ isWhole }) => isWhole)
  }

  /** Code of its GOAWAY, -1 when it ended without one; 0 while it goes on. */
  get code(): number {
    const goaway = this.#client.frames.find(({ name }) => name === 'GOAWAY')
    return goaway?.code ?? (this.#client.end === undefined ? 0 : -1)
  }

  /** What it sent so far, for messages. */
  get said(): string {
    return this.#client.said()
  }

  send(bytes: Buffer): void {
    this.#client.send(bytes)
  }

  step(bytes: Buffer): Promise<void> {
    return step(this.#client, bytes)
  }

  /** Waits until the codec has read everything, or ended the connection, and tells of `count` whole requests. */
  async settle(count = 0): Promise<void> {
    // A stream that ends within a frame gets no answer to its PING.
    await Promise.race([this.#client.settled().catch(() => {}), this.#quiet()])
    // Node answers a PING before it tells of a stream.
    for (let turn = 0; turn < 100 && this.#client.end === undefined && this.whole.length < count; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  close(): void {
    // Without TIME_WAIT, which would use up the ports.
    this.#client.socket.resetAndDestroy()
    this.#codec.forget(this.#port)
  }

  async #quiet(): Promise<void> {
    const { frames } = this.#client
    for (let before = -1; before !== frames.length && this.#client.end === undefined; ) {
      before = frames.length
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
  }
}

/** Sends it and lets the other side read it: it answers the PING behind it, ends the connection, or waits for more of a frame. */
export async function step(peer: RawPeer, bytes: Buffer): Promise<void> {
  const { frames } = peer
  const from = frames.length
  peer.send(bytes, ping('one step'))
  const isRead = ({ name, payload, isAck }: Frame): boolean =>
    name === 'GOAWAY' || (isAck && payload.toString('latin1') === 'one step')
  for (let turn = 0; turn < 50 && peer.end === undefined; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (frames.slice(from).some(isRead)) break
  }
  // Node answers a PING before it tells of a stream.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** The frames of a stream; those that no other frame may come between, a header block, are one. */
export function unitsOf(bytes: Buffer): Buffer[] {
  const units: Buffer[] = []
  let from = 0
  let isOpen = false
  for (let at = 0; at < bytes.length; ) {
    const end = at + 9 > bytes.length ? bytes.length : Math.min(bytes.length, at + 9 + bytes.readUIntBE(at, 3))
    const name = typeNames[bytes[at + 3] ?? -1]
    const isBlock: boolean = name === 'HEADERS' || (isOpen && name === 'CONTINUATION')
    isOpen = isBlock && (bytes[at + 4]! & flags.endHeaders) === 0
    at = end
    if (isOpen && at < bytes.length) continue
    units.push(bytes.subarray(from, at))
    from = at
  }
  return units
}

/** How a unit is counted: `HEADERS on stream 0`. */
export function kindOf(unit: Buffer): string {
  if (unit.length < 9) return 'less than a frame'
  const name: string = typeNames[unit[3]!] ?? 'unknown type'
  const isCut = unit.length < 9 + unit.readUIntBE(0, 3)
  return `${name}${isCut ? ' cut' : ''}${unit.readUInt32BE(5) === 0 ? ' on stream 0' : ''}`
}
