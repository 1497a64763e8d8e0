import { headLength } from './frames.ts'

const nothing = Buffer.alloc(0)

/**
 * Cuts what arrives into frames. A frame that has arrived whole is read where it is; only one that is cut by the end of a
 * chunk is copied, into memory that grows with what has arrived and not with what its head announces.
 */
export class FrameReader {
  /** The current frame: its payload is `bytes` from `from` to `to`. */
  type = 0
  flags = 0
  id = 0
  bytes: Buffer = nothing
  from = 0
  to = 0
  #chunk: Buffer = nothing
  #at = 0
  #borrowed = false
  /** The beginning of a frame that has not arrived whole, with room behind it. */
  #part: Buffer = nothing
  #have = 0
  /** Pieces of the chunk that were taken and not given back. */
  #out = 0

  push(chunk: Buffer, borrowed: boolean): void {
    this.#chunk = chunk
    this.#borrowed = borrowed
    this.#at = 0
    this.#out = 0
  }

  /** Takes a byte on its own, before frames begin. -1: no byte is left. */
  byte(): number {
    return this.#at < this.#chunk.length ? this.#chunk[this.#at++]! : -1
  }

  /** Length of the payload of the next frame; -1 while its head has not arrived. */
  get length(): number {
    if (this.#have === 0) return this.#chunk.length - this.#at < headLength ? -1 : lengthAt(this.#chunk, this.#at)
    if (!this.#fill(headLength)) return -1
    return lengthAt(this.#part, 0)
  }

  /** Makes the next frame the current one. False when it has not arrived. @param length of its payload, see `length` */
  next(length: number): boolean {
    const whole = headLength + length
    if (this.#have > 0) {
      if (!this.#fill(whole)) return false
      this.#have = 0
      this.#read(this.#part, 0, length)
      this.#part = nothing
      return true
    }
    if (this.#chunk.length - this.#at < whole) return false
    this.#read(this.#chunk, this.#at, length)
    this.#at += whole
    return true
  }

  #read(bytes: Buffer, at: number, length: number): void {
    this.type = bytes[at + 3]!
    this.flags = bytes[at + 4]!
    this.id = bytes.readUInt32BE(at + 5) & 0x7fffffff
    this.bytes = bytes
    this.from = at + headLength
    this.to = this.from + length
  }

  /** A part of the current frame, as a piece that its receiver may keep; call `giveBack` when it does not. */
  piece(from: number, to: number): Buffer {
    if (this.bytes !== this.#chunk) return this.bytes.subarray(from, to)
    if (this.#borrowed) return Buffer.from(this.bytes.subarray(from, to))
    this.#out++
    return this.bytes.subarray(from, to)
  }

  /** The receiver of the last piece no longer uses it. */
  giveBack(): void {
    if (this.bytes === this.#chunk && !this.#borrowed) this.#out--
  }

  /**
   * Ends the loan of the chunk.
   *
   * @param isKept whether what is left of it is kept
   * @returns whether the memory of the chunk may be used again
   */
  settle(isKept: boolean): boolean {
    if (isKept && this.#at < this.#chunk.length) this.#fill(this.#have + this.#chunk.length - this.#at)
    this.#chunk = nothing
    this.bytes = nothing
    return this.#out === 0
  }

  /** Moves bytes of the chunk to the part until it has `count`. False when there are too few. */
  #fill(count: number): boolean {
    const more = Math.min(count - this.#have, this.#chunk.length - this.#at)
    if (more > 0) {
      const needed = this.#have + more
      if (needed > this.#part.length) {
        const part = Buffer.allocUnsafe(Math.max(2 * this.#part.length, needed))
        this.#part.copy(part, 0, 0, this.#have)
        this.#part = part
      }
      this.#chunk.copy(this.#part, this.#have, this.#at, this.#at + more)
      this.#have += more
      this.#at += more
    }
    return this.#have >= count
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
}
