import type { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import { afterByte, mayEnd, OVER, PADDING } from './chunk-line.ts'
import type { ReceiveBuffer } from './receive-buffer.ts'
import { parseTrailers } from './trailers.ts'

/** Longest extension of one chunk, the whitespace around it included, bytes. */
const maxExtension = 256
/** Longest trailer section, bytes. */
const maxTrailers = 8 * 1024
/** How much longer than 16 bytes for each chunk and twice the data the lines of a body may be, bytes. */
const maxExcess = 16 * 1024

const SIZE = 0
const LINE = 1
const LINE_LF = 2
const DATA = 3
const DATA_CR = 4
const DATA_LF = 5
const TRAILERS = 6
const DONE = 7

const CR = 0x0d
const LF = 0x0a

/** Adding a size to another count stays far below 2^53, where numbers stop being exact. */
const maxSize = 2 ** 48 - 1
/** Leading zeros included: readers that take fewer digits refuse, and none reads another number. */
const maxDigits = 16

/** Largest piece that is moved to join others, bytes: moving it takes less time than to forward it by itself. */
const maxMoved = 16 * 1024

const badSize = new Malformed('a chunk size is not a hexadecimal number')
const bigSize = new Malformed(`a chunk size is larger than 2^48 - 1, or has more than ${maxDigits} digits`)
const badEnd = new Malformed('a chunk is not followed by CRLF')
const badExtension = new Malformed('a chunk extension is malformed')
const longExtension = new Malformed(`a chunk extension is longer than ${maxExtension} bytes`)
const longLines = new Malformed(`the chunk extensions are more than ${maxExcess} bytes longer than twice the data`)
const bareLineFeed = new Malformed('a line of the trailers ends with LF instead of CRLF')
const longTrailers = new Malformed(`the trailers are longer than ${maxTrailers} bytes`, 431)

/**
 * Reads a body in chunked transfer coding (RFC 9112 §7.1), however the stream is split into chunks and reads. Extensions
 * are checked and dropped; trailers are kept apart from the fields. In a response whatever has one meaning is taken.
 */
export class ChunkedReader {
  trailers: Fields | undefined
  problem: Malformed | undefined
  /** Whether something was taken that RFC 9112 does not allow. */
  lenient = false
  readonly #ofResponse: boolean
  /** Lines end with LF alone, as those of the head did. */
  #isBare = false
  #state = DONE
  #size = 0
  #digits = 0
  /** Where the line is behind its size, and how many bytes it has there. */
  #place = PADDING
  #length = 0
  #excess = 0

  constructor(ofResponse: boolean) {
    this.#ofResponse = ofResponse
  }

  /** @param isBare lines end with LF alone */
  start(isBare: boolean): void {
    this.trailers = undefined
    this.problem = undefined
    this.lenient = false
    this.#isBare = isBare
    this.#excess = 0
    this.#expectSize()
  }

  get done(): boolean {
    return this.#state === DONE
  }

  /** A reader that goes on from where this one is. */
  copy(): ChunkedReader {
    const copy = new ChunkedReader(this.#ofResponse)
    copy.problem = this.problem
    copy.#isBare = this.#isBare
    copy.#state = this.#state
    copy.#size = this.#size
    copy.#digits = this.#digits
    copy.#place = this.#place
    copy.#length = this.#length
    copy.#excess = this.#excess
    return copy
  }

  /**
   * Reads data and the framing around them, and returns one piece: the data of one large chunk, or those of all small ones
   * that have arrived. `undefined`: there are none. Sets `trailers`, and `problem`, which comes after the piece.
   */
  read(input: ReceiveBuffer): Buffer | undefined {
    const { bytes } = input
    // The data of small chunks are moved together, over the framing between them.
    let from = input.at
    let to = from
    reading: while (input.at < bytes.length && this.problem === undefined) {
      switch (this.#state) {
        case SIZE: {
          const end = this.#digits === 0 && !this.#isBare ? this.#moveWhole(input, to) : to
          if (end === to) this.#readSize(input)
          to = end
          break
        }
        case LINE:
          this.#readLine(input)
          break
        case LINE_LF:
          if (bytes[input.at++] !== LF) this.problem = badSize
          this.#state = this.#size === 0 ? TRAILERS : DATA
          break
        case DATA: {
          const count = Math.min(input.length, this.#size)
          if (to === from) from = to = input.at
          else if (count > maxMoved) break reading
          else move(bytes, to, input.at, count)
          to += count
          input.at += count
          this.#size -= count
          if (this.#size === 0) {
            this.#state = DATA_CR
            if (input.at < bytes.length) this.#endChunk(input)
          }
          if (count > maxMoved) break reading
          break
        }
        case DATA_CR:
          this.#endChunk(input)
          break
        case DATA_LF:
          if (bytes[input.at++] !== LF) this.problem = badEnd
          this.#expectSize()
          break
        case TRAILERS:
          if (!this.#readTrailers(input)) break reading
          break
        default:
          break reading
      }
    }
    return to === from ? undefined : input.piece(from, to)
  }

  #expectSize(): void {
    this.#state = SIZE
    this.#size = 0
    this.#digits = 0
    this.#length = 0
    this.#place = PADDING
  }

  /**
   * Moves the data of small chunks that have arrived whole to `to`, and returns where they end. By the states of the reader
   * each of them would take several times as long; whatever is unusual is left to those.
   */
  #moveWhole(input: ReceiveBuffer, to: number): number {
    const { bytes } = input
    let end = to
    for (;;) {
      const { at } = input
      let i = at
      let size = 0
      for (let digit = hexDigit(bytes[i]!); digit !== -1 && i < at + 4; digit = hexDigit(bytes[++i]!)) {
        size = size * 16 + digit
      }
      if (size === 0 || size > maxMoved) return end
      const lineEnd = bytes[i] === CR ? i : skipExtension(bytes, i)
      const from = lineEnd + 2
      const next = from + size + 2
      if (next > bytes.length || lineEnd - i > maxExtension) return end
      if (bytes[lineEnd] !== CR || bytes[from - 1] !== LF || bytes[next - 2] !== CR || bytes[next - 1] !== LF)
        return end
      const excess = Math.max(0, this.#excess + lineEnd - at - 16 - 2 * size)
      if (excess > maxExcess) return end
      this.#excess = excess
      move(bytes, end, from, size)
      end += size
      input.at = next
    }
  }

  #readSize(input: ReceiveBuffer): void {
    const byte = input.bytes[input.at++]!
    const digit = hexDigit(byte)
    if (digit !== -1) {
      this.#size = this.#size * 16 + digit
      if (++this.#digits > maxDigits || this.#size > maxSize) this.problem = bigSize
    } else if (this.#digits === 0) this.problem = badSize
    else if (byte === CR || byte === LF) this.#endLine(byte, input)
    else {
      this.#state = LINE
      this.#place = afterByte[(PADDING << 8) | byte]!
      this.#length = 1
      if (this.#place === OVER) this.problem = badSize
    }
  }

  #readLine(input: ReceiveBuffer): void {
    const { bytes, at } = input
    let place = this.#place
    let i = at
    while (i < bytes.length) {
      const next = afterByte[(place << 8) | bytes[i]!]!
      if (next === OVER) break
      place = next
      i++
    }
    this.#place = place
    this.#length += i - at
    input.at = i
    if (this.#length > maxExtension) this.problem = longExtension
    if (i === bytes.length) return
    const problem = place === PADDING ? badSize : badExtension
    const end = bytes[input.at++]!
    if (end !== CR && end !== LF) this.problem = problem
    else {
      if (!mayEnd(place)) this.#excuse(problem)
      this.#endLine(end, input)
    }
  }

  #endLine(byte: number, input: ReceiveBuffer): void {
    if ((byte === LF) !== this.#isBare) this.problem = this.#place === PADDING ? badSize : badExtension
    this.#excess = Math.max(0, this.#excess + this.#digits + this.#length - 16 - 2 * this.#size)
    if (this.#excess > maxExcess) this.problem = longLines
    this.#state = byte === CR && !skipsLineFeed(input) ? LINE_LF : this.#size === 0 ? TRAILERS : DATA
  }

  #endChunk(input: ReceiveBuffer): void {
    if (input.bytes[input.at++] !== (this.#isBare ? LF : CR)) this.problem = badEnd
    if (this.#isBare || skipsLineFeed(input)) this.#expectSize()
    else this.#state = DATA_LF
  }

  /** Refuses it in a request; in a response it has only one meaning. */
  #excuse(problem: Malformed): void {
    if (this.#ofResponse) this.lenient = true
    else this.problem = problem
  }

  /** The section ends with an empty line; without trailers it is that line alone. False while it has not arrived. */
  #readTrailers(input: ReceiveBuffer): boolean {
    const { bytes, at } = input
    const lineEnd = this.#isBare ? 1 : 2
    if (bytes[at] === (this.#isBare ? LF : CR)) {
      if (input.length < lineEnd) return false
      if (bytes[at + lineEnd - 1] === LF) {
        input.at += lineEnd
        this.#state = DONE
        return true
      }
    }
    const end = this.#isBare ? input.findBareHead() : input.findHead()
    if ((end === -1 ? input.length - 1 : end - at) > maxTrailers) this.problem = longTrailers
    else if (end === -1 && !this.#isBare && input.hasBareLineFeed) this.problem = bareLineFeed
    if (end === -1 || this.problem !== undefined) return false
    input.at = end + lineEnd
    this.#state = DONE
    const read = parseTrailers(bytes.toString('latin1', at, end), this.#ofResponse)
    if (read instanceof Malformed) this.problem = read
    else {
      this.trailers = read.fields
      this.lenient ||= read.lenient
    }
    return true
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Skips the LF that follows a CR; false when it has not arrived, or another byte follows. */
function skipsLineFeed(input: ReceiveBuffer): boolean {
  if (input.bytes[input.at] !== LF) return false
  input.at++
  return true
}

/** Where an extension by the grammar ends; where it is another one, a place that no line ends at. */
function skipExtension(bytes: Buffer, from: number): number {
  let place = PADDING
  let i = from
  for (;;) {
    const next = afterByte[(place << 8) | bytes[i]!]!
    if (next === OVER) return mayEnd(place) ? i : bytes.length
    place = next
    i++
  }
}

function move(bytes: Buffer, to: number, from: number, count: number): void {
  if (count > 32) bytes.copyWithin(to, from, from + count)
  else for (let i = 0; i < count; i++) bytes[to + i] = bytes[from + i]!
}
