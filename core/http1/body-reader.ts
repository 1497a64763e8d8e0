import type { Fields } from '../http/fields.ts'
import type { Malformed } from '../http/malformed.ts'
import { ChunkedReader } from './chunked-reader.ts'
import { CHUNKED, type Framing, UNTIL_CLOSE } from './framing.ts'
import type { ReceiveBuffer } from './receive-buffer.ts'

/** Longest body that is read as one text, bytes: a writer copies no longer pieces. */
const maxText = 8 * 1024

/** Reads the bodies of one connection, one after the other, each by its framing. One reader serves all messages. */
export class BodyReader {
  /** Whether the body is complete; true without one. */
  done = true
  problem: Malformed | undefined
  /** Set when a chunked body is complete and had trailers. */
  trailers: Fields | undefined
  #framing: Framing = 0
  #left = 0
  readonly #ofResponse: boolean
  #chunked: ChunkedReader | undefined

  /** @param ofResponse bodies of responses are read leniently */
  constructor(ofResponse: boolean) {
    this.#ofResponse = ofResponse
  }

  /** @param isBare lines of the framing end with LF alone. Default: false. */
  start(framing: Framing, isBare: boolean = false): void {
    this.#framing = framing
    this.#left = framing
    this.done = framing === 0
    this.problem = undefined
    this.trailers = undefined
    if (framing !== CHUNKED) return
    this.#chunked ??= new ChunkedReader(this.#ofResponse)
    this.#chunked.start(isBare)
  }

  /** A reader that goes on from where this one is, with bytes of its own. */
  copy(): BodyReader {
    const copy = new BodyReader(this.#ofResponse)
    copy.#framing = this.#framing
    copy.#left = this.#left
    copy.done = this.done
    copy.problem = this.problem
    copy.#chunked = this.#chunked?.copy()
    return copy
  }

  /** Whether the framing was taken though RFC 9112 does not allow it. */
  get lenient(): boolean {
    return this.#framing === CHUNKED && this.#chunked!.lenient
  }

  /** Bytes of the body that are still unread; `undefined` when its length is unknown. */
  get left(): number | undefined {
    if (this.done) return 0
    return this.#framing > 0 ? this.#left : undefined
  }

  /**
   * Consumes at most one piece of data and the framing around it, and returns the piece. Without one, unread bytes are the
   * beginning of trailers that have not arrived whole. `problem` comes after the piece.
   */
  read(input: ReceiveBuffer): Buffer | undefined {
    if (this.#framing === CHUNKED) return this.#readChunked(this.#chunked!, input)
    if (this.#framing === UNTIL_CLOSE) return input.take(input.length)
    const size = Math.min(this.#left, input.length)
    this.#left -= size
    this.done = this.#left === 0
    return input.take(size)
  }

  /** Whether the body is short and all of it has arrived: then `readText` may be called. */
  hasCome(input: ReceiveBuffer): boolean {
    if (this.done) return true
    return this.#framing > 0 && this.#left <= maxText && this.#left <= input.length
  }

  /** All of the body: one character for each byte. */
  readText(input: ReceiveBuffer): string {
    const from = input.at
    input.at += this.done ? 0 : this.#left
    this.#left = 0
    this.done = true
    return from === input.at ? '' : input.bytes.toString('latin1', from, input.at)
  }

  /** The other side has ended the connection. Returns whether the body is complete. */
  close(): boolean {
    if (this.#framing === UNTIL_CLOSE) this.done = true
    return this.done
  }

  #readChunked(chunked: ChunkedReader, input: ReceiveBuffer): Buffer | undefined {
    const piece = chunked.read(input)
    this.problem = chunked.problem
    this.done = chunked.done
    this.trailers = chunked.trailers
    return piece
  }
}
