import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import { Fields } from '../http/fields.ts'
import { NO_TRAILER, treatmentOfAlias } from '../http/header-names.ts'
import { afterRead, type Deferred } from '../net/after-read.ts'
import { encodeFields } from './encode-fields.ts'
import { CHUNKED, type Framing, NO_BODY, UNTIL_CLOSE } from './framing.ts'

/** Up to this size a piece of a body is copied so as to leave in one write with what is waiting, bytes. */
const together = 8 * 1024

/**
 * Writes the messages of one connection, one after the other. The head waits for the end of the event-loop phase: a small
 * body that comes meanwhile leaves with it in one write, which saves 2 to 3 µs, a tenth of a whole exchange. So do the
 * small chunks that come out of one read.
 */
export class MessageWriter implements Deferred {
  readonly #socket: Socket
  /** What waits to be written, one character per byte. */
  #pending = ''
  #scheduled = false
  #framing: Framing = NO_BODY
  #left = 0
  #wrong = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Begins a message; `head` ends with the empty line. */
  begin(head: string, framing: Framing): void {
    this.#framing = framing
    this.#left = framing
    this.#wrong = false
    this.#pending += head
    // Without a body the end follows at once.
    if (framing !== 0 && framing !== NO_BODY) this.#schedule()
  }

  /** Writes an interim response, which belongs to no message. */
  interim(head: string): void {
    this.#pending += head
    this.flush()
  }

  /** False when the other side is slow: the socket's `drain` says when to go on. */
  write(chunk: Uint8Array): boolean {
    const { length } = chunk
    const framing = this.#framing
    if (length === 0 || framing === NO_BODY) return true
    if (framing === CHUNKED) this.#pending += length.toString(16) + '\r\n'
    else if (framing !== UNTIL_CLOSE) {
      this.#left -= length
      // More than was announced: it would be read as the next message.
      if (this.#left < 0) this.#wrong = true
      if (this.#wrong) return true
    }
    if (length > together) this.#writeApart(chunk)
    else if (this.#pending === '') this.#socket.write(chunk)
    else this.#pending += latin1(chunk)
    if (framing === CHUNKED) this.#pending += '\r\n'
    if (this.#pending.length > together) this.flush()
    else if (this.#pending !== '') this.#schedule()
    // `writableNeedDrain` is true also of what the system took at once, when it was much.
    return this.#socket.writableLength < this.#socket.writableHighWaterMark
  }

  /** Whether nobody looks any more at any of what was written: it has been copied, or is with the kernel. */
  get isFlushed(): boolean {
    return this.#socket.writableLength === 0
  }

  /** Ends the message. False when its body is not as long as announced: only a broken connection is honest then. */
  end(trailers: Fields | undefined): boolean {
    if (this.#framing === CHUNKED) this.#pending += encodeLastChunk(trailers)
    const right = !this.#wrong && (this.#framing < 0 || this.#left === 0)
    this.#framing = NO_BODY
    if (right) this.flush()
    return right
  }

  /** Hands what waits to the socket. */
  flush(): void {
    if (this.#pending === '') return
    const text = this.#pending
    this.#pending = ''
    this.#socket.write(text, 'latin1')
  }

  #writeApart(chunk: Uint8Array): void {
    if (this.#pending === '') {
      this.#socket.write(chunk)
      return
    }
    this.#socket.cork()
    this.flush()
    this.#socket.write(chunk)
    this.#socket.uncork()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    afterRead(this)
  }

  runDeferred(): void {
    this.#scheduled = false
    this.flush()
  }
}

function latin1(chunk: Uint8Array): string {
  const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  return bytes.toString('latin1')
}

/** The end of a chunked body: the last chunk, and those trailers that may be passed on (RFC 9110 §6.5.1). */
function encodeLastChunk(trailers: Fields | undefined): string {
  if (trailers === undefined) return '0\r\n\r\n'
  const { list } = trailers
  const kept: string[] = []
  for (let i = 0; i < list.length; i += 2) {
    if ((treatmentOfAlias(list[i]!) & NO_TRAILER) === 0) kept.push(list[i]!, list[i + 1]!)
  }
  return `0\r\n${encodeFields(new Fields(kept, true))}\r\n`
}
