import { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import { parseFields } from './parse-fields.ts'
import type { ReceiveBuffer } from './receive-buffer.ts'

/** Longest extension of one chunk, bytes. */
export const maxExtension: number = 256
/** Longest trailer section, bytes. */
export const maxTrailers: number = 8 * 1024

const SIZE = 0
const EXTENSION = 1
const SIZE_LF = 2
const DATA = 3
const DATA_CR = 4
const DATA_LF = 5
const TRAILERS = 6
const DONE = 7

/** The largest size is 2^48 − 1: adding a size to another count stays far below 2^53, where numbers stop being exact. */
const maxSizeDigits = 12

const badSize = new Malformed('a chunk size is not a hexadecimal number')
const bigSize = new Malformed(`a chunk size has more than ${maxSizeDigits} digits`)
const badEnd = new Malformed('a chunk is not followed by CRLF')
const badExtension = new Malformed('a chunk extension is malformed')
const longExtension = new Malformed(`a chunk extension is longer than ${maxExtension} bytes`)
const framingTrailer = new Malformed('a trailer is Content-Length or Transfer-Encoding')
const bareLineFeed = new Malformed('a line of the trailers ends with LF instead of CRLF')
const longTrailers = new Malformed(`the trailers are longer than ${maxTrailers} bytes`, 431)

/** RFC 9112 §7.1.1, without the "bad" whitespace (BWS). */
const extensionForm =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)+$/

/**
 * Reads a body in chunked transfer coding (RFC 9112 §7.1), however the stream is split into reads. Extensions are checked
 * and dropped; trailers are kept apart from the fields.
 */
export class ChunkedReader {
  trailers: Fields | undefined
  problem: Malformed | undefined
  #state = DONE
  #size = 0
  #digits = 0
  /** The part of an extension or of the trailers that has arrived. */
  #text = ''

  start(): void {
    this.trailers = undefined
    this.problem = undefined
    this.#text = ''
    this.#expectSize()
  }

  get done(): boolean {
    return this.#state === DONE
  }

  /**
   * Reads up to and including the next piece of data and returns it; without one it reads all input and returns
   * `undefined`. Sets `trailers` and `problem`.
   */
  read(input: ReceiveBuffer): Buffer | undefined {
    const { bytes } = input
    while (input.at < bytes.length && this.problem === undefined) {
      switch (this.#state) {
        case SIZE:
          this.#readSize(bytes[input.at++]!)
          break
        case EXTENSION:
          this.#readExtension(input)
          break
        case SIZE_LF:
          if (bytes[input.at++] !== 0x0a) this.problem = badSize
          this.#state = this.#size === 0 ? TRAILERS : DATA
          break
        case DATA:
          return this.#readData(input)
        case DATA_CR:
          if (bytes[input.at++] !== 0x0d) this.problem = badEnd
          this.#state = DATA_LF
          break
        case DATA_LF:
          if (bytes[input.at++] !== 0x0a) this.problem = badEnd
          this.#expectSize()
          break
        case TRAILERS:
          this.#readTrailers(input)
          break
        default:
          return undefined
      }
    }
    return undefined
  }

  #expectSize(): void {
    this.#state = SIZE
    this.#size = 0
    this.#digits = 0
  }

  #readSize(byte: number): void {
    const digit = hexDigit(byte)
    if (digit !== -1) {
      this.#size = this.#size * 16 + digit
      if (++this.#digits > maxSizeDigits) this.problem = bigSize
    } else if (this.#digits === 0) this.problem = badSize
    else if (byte === 0x0d) this.#state = SIZE_LF
    else if (byte === 0x3b) {
      this.#state = EXTENSION
      this.#text = ';'
    } else this.problem = badSize
  }

  #readExtension(input: ReceiveBuffer): void {
    const found = input.bytes.indexOf(0x0d, input.at)
    const end = found === -1 ? input.bytes.length : found
    if (end - input.at + this.#text.length > maxExtension) {
      this.problem = longExtension
      return
    }
    this.#text += input.bytes.toString('latin1', input.at, end)
    input.at = end
    if (found === -1) return
    input.at++
    if (!extensionForm.test(this.#text)) this.problem = badExtension
    this.#text = ''
    this.#state = SIZE_LF
  }

  #readData(input: ReceiveBuffer): Buffer {
    const count = Math.min(input.length, this.#size)
    this.#size -= count
    if (this.#size === 0) this.#state = DATA_CR
    return input.take(count)
  }

  /** The section ends with an empty line; without trailers it is that line alone. */
  #readTrailers(input: ReceiveBuffer): void {
    const before = this.#text.length
    this.#text += input.bytes.toString('latin1', input.at, input.at + maxTrailers + 4 - before)
    const empty = this.#text.startsWith('\r\n')
    const end = empty ? 0 : this.#text.indexOf('\r\n\r\n') + 2
    if (!empty && end === 1) {
      input.at += this.#text.length - before
      if (this.#text.length > maxTrailers) this.problem = longTrailers
      // The empty line might never come.
      else if (/(?:^|[^\r])\n/.test(this.#text)) this.problem = bareLineFeed
      return
    }
    input.at += end + 2 - before
    const list = empty ? undefined : parseTrailers(this.#text.slice(0, end))
    this.#text = ''
    this.#state = DONE
    if (list === undefined) return
    if (list instanceof Malformed) this.problem = list
    else if (changesFraming(list)) this.problem = framingTrailer
    else this.trailers = new Fields(list, true)
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Copies the text: trailers are rare. */
function parseTrailers(text: string): string[] | Malformed {
  const bytes = Buffer.from(text, 'latin1')
  return parseFields(bytes, text, 0, 0, bytes.length, false)
}

function changesFraming(list: readonly string[]): boolean {
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === 'content-length' || list[i] === 'transfer-encoding') return true
  }
  return false
}
