import { Malformed } from '../http/malformed.ts'
import { BodyReader } from './body-reader.ts'
import { connectionOptions, isPersistent } from './connection-options.ts'
import { parseResponseHead, type ResponseHead } from './parse-head.ts'
import { ReceiveBuffer } from './receive-buffer.ts'
import { tidyLines } from './tidy-lines.ts'

/** Largest head of a response, bytes. */
const maxResponseHead = 64 * 1024

/** Most interim responses before a final one. Each is forwarded, so without a limit a backend could flood its clients. */
const maxInterim = 32

const CR = 0x0d
const LF = 0x0a

const largeHead = new Malformed('the response head is larger than 64 KB')
const mixedLines = new Malformed('some lines of the response head end with LF and some with CRLF')
const noVersion = new Malformed('the response does not begin with "HTTP/1."')
const flood = new Malformed(`more than ${maxInterim} interim responses before the final one`)

/**
 * Splits the bytes of a connection into responses, each preceded by its interim ones. A response is encoded anew before it
 * goes to the client, so whatever has only one meaning is taken, even if RFC 9112 does not allow its form.
 */
export class ResponseReader {
  readonly input: ReceiveBuffer = new ReceiveBuffer()
  readonly body: BodyReader = new BodyReader(true)
  #interim = 0
  #begun = false
  #lenient = false

  /** A new request is sent: what is read next is the response to it. */
  start(): void {
    this.#interim = 0
    this.#begun = false
    this.#lenient = false
    this.body.start(0)
  }

  /** Whether the response was taken though its form is not allowed: its connection must not carry another one. */
  get lenient(): boolean {
    return this.#lenient || this.body.lenient
  }

  /** Whether an interim response to the request has been read. */
  get hadInterim(): boolean {
    return this.#interim > 0
  }

  /**
   * Parses the next head, interim or final; `undefined` while it is incomplete.
   *
   * @param method of the request that it answers
   */
  nextHead(method: string): ResponseHead | Malformed | undefined {
    const { input } = this
    if (!this.#begun && input.length > 0 && input.bytes[input.at]! < 0x20) this.#skipEmptyLine()
    const end = input.findHead()
    if (end === -1 || end - input.at > maxResponseHead) return this.#nextOddHead(method, end)
    const head = parseResponseHead(input.bytes, input.at, end, method)
    return head instanceof Malformed ? this.#nextOddHead(method, end) : this.#take(head, end + 2, false)
  }

  #take(head: ResponseHead, bodyAt: number, isBare: boolean): ResponseHead | Malformed {
    this.#begun = true
    if (head.status < 200) {
      if (++this.#interim > maxInterim) return flood
      if (isOddInterim(head)) this.#lenient = true
    }
    this.input.at = bodyAt
    this.body.start(head.framing, isBare)
    return head
  }

  /** A head that is incomplete, or that the parser does not take. @param end of a head whose lines end with CRLF, or -1 */
  #nextOddHead(method: string, end: number): ResponseHead | Malformed | undefined {
    const { input } = this
    const { bytes, at } = input
    const lineFeed = bytes.indexOf(LF, at)
    const isBare = lineFeed !== -1 && (lineFeed === at || bytes[lineFeed - 1] !== CR)
    const to = isBare ? input.findBareHead() : end
    if ((to === -1 ? input.length : to - at) > maxResponseHead) return largeHead
    if (to === -1) return this.#incomplete(isBare)
    const text = bytes.toString('latin1', at, to)
    // Whitespace before the first field is no folded line (RFC 9112 §2.2).
    const tidied = Buffer.from(/^[^\n]*\n[\t ]/.test(text) ? text : tidyLines(text), 'latin1')
    const head = parseResponseHead(tidied, 0, tidied.length, method, true)
    if (head instanceof Malformed) return isBare && text.includes('\r') ? mixedLines : head
    this.#lenient = true
    return this.#take(head, to + (isBare ? 1 : 2), isBare)
  }

  /** Refuses bytes that cannot become a head immediately. */
  #incomplete(isBare: boolean): Malformed | undefined {
    const { bytes, at, length } = this.input
    if (length >= 7 && bytes.toString('latin1', at, at + 7) !== 'HTTP/1.') return noVersion
    const isMixed = isBare ? bytes.indexOf(CR, at) !== -1 : this.input.hasBareLineFeed
    return isMixed ? mixedLines : undefined
  }

  /** Before the status line one empty line is skipped. */
  #skipEmptyLine(): void {
    const { input } = this
    const { bytes, at } = input
    const length = bytes[at] === LF ? 1 : bytes[at] === CR && bytes[at + 1] === LF ? 2 : 0
    if (length === 0) return
    input.at += length
    this.#begun = true
    this.#lenient = true
  }
}

/** An interim response that ends the connection after the final one, or has a body for some readers (RFC 9110 §8.6). */
function isOddInterim({ version, fields }: ResponseHead): boolean {
  if (!isPersistent(version, connectionOptions(fields))) return true
  return fields.has('content-length') || fields.has('transfer-encoding')
}
