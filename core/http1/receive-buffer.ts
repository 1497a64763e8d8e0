import { Buffer } from 'node:buffer'

const CR = 0x0d
const LF = 0x0a

const nothing = Buffer.alloc(0)

/** What has arrived on a connection and is not read yet. Chunks are kept as they come; only a rest is ever copied. */
export class ReceiveBuffer {
  bytes: Buffer = nothing
  /** Everything before it has been read. */
  at = 0
  /** The bytes are others' as soon as whoever brought them has returned. */
  #borrowed = false
  /** Pieces of what came last that someone may still look at. */
  #out = 0
  #searched = 0

  get length(): number {
    return this.bytes.length - this.at
  }

  /** @param borrowed whether the chunk is only lent until `settle` */
  push(chunk: Buffer, borrowed: boolean): void {
    this.#out = 0
    if (this.at === this.bytes.length) {
      this.bytes = chunk
      this.#borrowed = borrowed
      this.#searched = 0
    } else {
      this.bytes = Buffer.concat([this.bytes.subarray(this.at), chunk])
      this.#borrowed = false
      this.#searched -= this.at
    }
    this.at = 0
  }

  /** Reads so many bytes, as a piece that its receiver may keep; when it does not, `giveBack` says so. */
  take(count: number): Buffer {
    this.#out++
    const { bytes, at } = this
    this.at = at + count
    const piece = at === 0 && count === bytes.length ? bytes : bytes.subarray(at, at + count)
    return this.#borrowed ? Buffer.from(piece) : piece
  }

  /** The receiver of the piece that was taken last does not look at it any more. */
  giveBack(): void {
    this.#out--
  }

  /** What was borrowed is given back: a rest is kept as a copy. False when it was not, and someone still looks at it. */
  settle(): boolean {
    if (!this.#borrowed) return this.#out === 0 && this.at === this.bytes.length
    this.bytes = Buffer.from(this.bytes.subarray(this.at))
    this.#searched -= this.at
    this.at = 0
    this.#borrowed = false
    return true
  }

  /** Where the CRLF of the last line of a head ends, that is, the empty line begins; -1 while it has not arrived. */
  findHead(): number {
    const { bytes, at } = this
    // The end may be split: three of its four bytes may have been searched before.
    let last = Math.max(at, this.#searched - 3) + 3
    // Looks at every fourth byte, since one that is no part of the end rules out four places: a third of what `indexOf`
    // takes, 0.3 µs a head.
    while (last < bytes.length) {
      const byte = bytes[last]!
      if (byte > CR) last += 4
      else if (byte !== LF || bytes[last - 1] !== CR || bytes[last - 2] !== LF || bytes[last - 3] !== CR) last++
      else return last - 1
    }
    this.#searched = bytes.length
    return -1
  }

  /** Whether a line ends in LF alone, so that the empty line of a head may never come. */
  get hasBareLineFeed(): boolean {
    const { bytes, at } = this
    for (let i = bytes.indexOf(0x0a, at); i !== -1; i = bytes.indexOf(0x0a, i + 1)) {
      if (i === at || bytes[i - 1] !== 0x0d) return true
    }
    return false
  }

  /** Lets go of the memory. */
  release(): void {
    this.bytes = nothing
    this.#borrowed = false
    this.at = 0
    this.#searched = 0
  }
}
