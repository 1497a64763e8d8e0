import { Buffer } from 'node:buffer'

const CR = 0x0d
const LF = 0x0a

const nothing = Buffer.alloc(0)

/** The unread bytes of a connection. Chunks are kept as they arrive; only an unread remainder is copied. */
export class ReceiveBuffer {
  bytes: Buffer = nothing
  /** Index of the first unread byte. */
  at = 0
  /** The bytes are overwritten once the caller of `push` has returned: `settle` copies the remainder. */
  #borrowed = false
  /** Memory of this buffer, with room behind `bytes`; `undefined` when `bytes` is the last chunk itself. */
  #own: Buffer | undefined
  /** Pieces of the last chunk that were taken and not given back. */
  #out = 0
  /** Up to this index `findHead` has searched. */
  #searched = 0
  /** Up to this index `findBareHead` and `hasBareLineFeed` have searched. */
  #checked = 0

  get length(): number {
    return this.bytes.length - this.at
  }

  /** @param borrowed whether the chunk is lent until `settle` only */
  push(chunk: Buffer, borrowed: boolean): void {
    this.#out = 0
    if (this.at < this.bytes.length) return this.#append(chunk)
    this.bytes = chunk
    this.#borrowed = borrowed
    this.#own = undefined
    this.#searched = 0
    this.#checked = 0
    this.at = 0
  }

  /** Memory doubles: what comes byte by byte must not be copied as a whole for each byte. */
  #append(chunk: Buffer): void {
    const end = this.bytes.length + chunk.length
    if (this.#own === undefined || end > this.#own.length) {
      const { length } = this
      const memory = Buffer.allocUnsafe(2 * (length + chunk.length))
      this.bytes.copy(memory, 0, this.at)
      this.#moveTo(memory, length)
    }
    const from = this.bytes.length
    chunk.copy(this.#own!, from)
    this.bytes = this.#own!.subarray(0, from + chunk.length)
    this.#borrowed = false
  }

  /** The unread bytes are now the first ones of memory that belongs to this buffer. */
  #moveTo(memory: Buffer, length: number): void {
    this.#own = memory
    this.bytes = memory.subarray(0, length)
    this.#searched -= this.at
    this.#checked -= this.at
    this.at = 0
  }

  /** Reads `count` bytes as a piece that its receiver may keep; call `giveBack` when the receiver does not. */
  take(count: number): Buffer {
    const { at } = this
    this.at = at + count
    return this.piece(at, this.at)
  }

  /** A part of what was read, as a piece like that of `take`. */
  piece(from: number, to: number): Buffer {
    this.#out++
    const { bytes } = this
    if (!this.#borrowed) return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)
    const piece = Buffer.allocUnsafe(to - from)
    bytes.copy(piece, 0, from, to)
    return piece
  }

  /** The receiver of the piece that was taken last no longer uses it. */
  giveBack(): void {
    this.#out--
  }

  /**
   * Ends the loan: copies the unread remainder of a borrowed chunk. Returns whether the chunk's memory may be used again;
   * false when a chunk that was not borrowed has unread bytes, or pieces that were not given back.
   */
  settle(): boolean {
    if (!this.#borrowed) return this.#own !== undefined || (this.#out === 0 && this.at === this.bytes.length)
    if (this.at === this.bytes.length) this.release()
    else this.#moveTo(Buffer.from(this.bytes.subarray(this.at)), this.length)
    this.#borrowed = false
    return true
  }

  /** Index of the empty line that ends a head: just past the CRLF of its last line. -1 while it has not arrived. */
  findHead(): number {
    const { bytes, at } = this
    // The four bytes of the end may be split between chunks: up to three of them may have been searched before.
    let last = Math.max(at, this.#searched - 3) + 3
    // Examines every fourth byte: one that is neither CR nor LF rules out four positions. 0.3 µs a head, a third of the
    // time of `indexOf`.
    while (last < bytes.length) {
      const byte = bytes[last]!
      if (byte > CR) last += 4
      else if (byte !== LF || bytes[last - 1] !== CR || bytes[last - 2] !== LF || bytes[last - 3] !== CR) last++
      else return last - 1
    }
    this.#searched = bytes.length
    return -1
  }

  /** `findHead` for a head whose lines end with LF alone. */
  findBareHead(): number {
    const { bytes, at } = this
    const end = bytes.indexOf('\n\n', Math.max(at, this.#checked - 1))
    if (end !== -1) return end + 1
    this.#checked = bytes.length
    return -1
  }

  /** Whether a line ends with LF instead of CRLF, so that the empty line of a head might never be found. */
  get hasBareLineFeed(): boolean {
    const { bytes, at } = this
    for (let i = bytes.indexOf(LF, Math.max(at, this.#checked)); i !== -1; i = bytes.indexOf(LF, i + 1)) {
      if (i === at || bytes[i - 1] !== CR) return true
    }
    this.#checked = bytes.length
    return false
  }

  /** Drops the bytes, and the reference to their memory. */
  release(): void {
    this.bytes = nothing
    this.#borrowed = false
    this.#own = undefined
    this.at = 0
    this.#searched = 0
    this.#checked = 0
  }
}
