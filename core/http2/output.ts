import type { ByteStream } from '../net/byte-stream.ts'
import { giveMemory, takeMemory } from '../net/spare-memory.ts'
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  type ErrorCode,
  GOAWAY,
  HEADERS,
  headLength,
  maxFrame,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from './frames.ts'
import type { HpackEncoder } from './hpack-encoder.ts'

/** Bytes from which frames are written before the end of the turn: a frame of data always fits into the memory of a read. */
const full = 40 * 1024

/** Largest write that a transport copies; the memory of a larger one is used again only if the kernel took it at once. */
const maxCopied = 16 * 1024

const nothing = Buffer.alloc(0)

/**
 * The frames of a turn, which leave in one write. Their memory is borrowed for the turn, so that an idle connection holds none.
 */
export class Output {
  readonly #transport: ByteStream
  memory: Buffer = nothing
  /** Bytes written to `memory`. */
  at = 0
  /** Changes when `memory` is written to the transport: frames before that can no longer be changed. */
  turn = 0
  /** Bytes of frames that answer frames of the peer, since the kernel had taken everything. */
  answered = 0

  constructor(transport: ByteStream) {
    this.#transport = transport
  }

  get isFull(): boolean {
    return this.at >= full
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.at + count
    if (needed <= this.memory.length) return
    const { memory } = this
    this.memory = memory === nothing ? takeMemory() : Buffer.allocUnsafeSlow(2 * needed)
    if (needed > this.memory.length) this.memory = Buffer.allocUnsafeSlow(2 * needed)
    memory.copy(this.memory, 0, 0, this.at)
    giveMemory(memory)
  }

  /** Writes the head of a frame, and makes room for its payload. @returns where it begins, for `endStream` */
  frame(type: number, flags: number, id: number, length: number): number {
    this.reserve(headLength + length)
    const { memory, at } = this
    memory[at] = length >>> 16
    memory[at + 1] = length >>> 8
    memory[at + 2] = length
    memory[at + 3] = type
    memory[at + 4] = flags
    this.at = at + 5
    this.#word(id)
    return at
  }

  #word(value: number): void {
    const { memory, at } = this
    memory[at] = value >>> 24
    memory[at + 1] = value >>> 16
    memory[at + 2] = value >>> 8
    memory[at + 3] = value
    this.at = at + 4
  }

  /** HEADERS, with CONTINUATION if the block is larger than a frame. @returns where HEADERS begins */
  block(encoder: HpackEncoder, list: readonly string[], id: number, isEnd: boolean): number {
    const at = this.frame(HEADERS, (isEnd ? END_STREAM : 0) | END_HEADERS, id, 0)
    encoder.encode(this, list)
    const length = this.at - at - headLength
    if (length > maxFrame) this.#split(at, Buffer.from(this.memory.subarray(at + headLength, this.at)), id, isEnd)
    else {
      this.memory[at + 1] = length >>> 8
      this.memory[at + 2] = length
    }
    return at
  }

  #split(at: number, block: Buffer, id: number, isEnd: boolean): void {
    this.at = at
    for (let from = 0; from < block.length; from += maxFrame) {
      const piece = block.subarray(from, from + maxFrame)
      const flags = (from === 0 && isEnd ? END_STREAM : 0) | (from + maxFrame >= block.length ? END_HEADERS : 0)
      this.frame(from === 0 ? HEADERS : CONTINUATION, flags, id, piece.length)
      this.bytes(piece, 0, piece.length)
    }
  }

  /** A part of the payload of a frame. */
  bytes(bytes: Uint8Array, from: number, to: number): void {
    this.memory.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), this.at)
    this.at += to - from
  }

  /** An empty DATA frame that ends a stream. */
  emptyEnd(id: number): void {
    this.frame(DATA, END_STREAM, id, 0)
  }

  /** Sets END_STREAM of a frame of this turn. */
  endStream(at: number): void {
    this.memory[at + 4]! |= END_STREAM
  }

  /** @param pairs identifiers and values in turn */
  settings(pairs: readonly number[]): void {
    this.frame(SETTINGS, 0, 0, pairs.length * 3)
    for (let i = 0; i < pairs.length; i += 2) {
      this.memory[this.at++] = 0
      this.memory[this.at++] = pairs[i]!
      this.#word(pairs[i + 1]!)
    }
  }

  settingsAck(): void {
    this.#answer(this.frame(SETTINGS, ACK, 0, 0))
  }

  ping(high: number, low: number): void {
    this.frame(PING, 0, 0, 8)
    this.#word(high)
    this.#word(low)
  }

  pingAck(bytes: Buffer, from: number): void {
    const at = this.frame(PING, ACK, 0, 8)
    this.bytes(bytes, from, from + 8)
    this.#answer(at)
  }

  rst(id: number, code: ErrorCode): void {
    const at = this.frame(RST_STREAM, 0, id, 4)
    this.#word(code)
    this.#answer(at)
  }

  windowUpdate(id: number, increment: number): void {
    this.frame(WINDOW_UPDATE, 0, id, 4)
    this.#word(increment)
  }

  goaway(lastId: number, code: ErrorCode, problem: string): void {
    this.frame(GOAWAY, 0, 0, 8 + problem.length)
    this.#word(lastId)
    this.#word(code)
    this.at += this.memory.write(problem, this.at, 'latin1')
  }

  #answer(from: number): void {
    this.answered += this.at - from
  }

  /** Hands all frames to the transport. */
  flush(): void {
    const { memory, at } = this
    if (at > 0) {
      this.memory = nothing
      this.at = 0
      this.turn++
      const bytes = memory.subarray(0, at)
      if (at <= maxCopied) this.#transport.writeBorrowed(bytes)
      else this.#transport.write(bytes)
      if (at <= maxCopied || this.#transport.unsent === 0) giveMemory(memory)
    }
    if (this.#transport.unsent === 0) this.answered = 0
  }
}
