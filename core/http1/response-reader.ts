import { Malformed } from '../http/malformed.ts'
import { BodyReader } from './body-reader.ts'
import { connectionOptions, isPersistent } from './connection-options.ts'
import { parseResponseHead, type ResponseHead } from './parse-head.ts'
import { ReceiveBuffer } from './receive-buffer.ts'

/** Largest head of a response, bytes. */
export const maxResponseHead: number = 64 * 1024

/** Most interim responses before a final one. Each is forwarded, so without a limit a backend could flood its clients. */
export const maxInterim: number = 32

const largeHead = new Malformed('the response head is larger than 64 KB')
const bareLineFeed = new Malformed('a line of the response head ends with LF instead of CRLF')
const noVersion = new Malformed('the response does not begin with "HTTP/1."')
const lastWords = new Malformed('an interim response closes the connection')
const flood = new Malformed(`more than ${maxInterim} interim responses before the final one`)

/** Splits the bytes of a connection into responses, each preceded by its interim ones. */
export class ResponseReader {
  readonly input: ReceiveBuffer = new ReceiveBuffer()
  readonly body: BodyReader = new BodyReader()
  #interim = 0

  /** A new request is sent: what is read next is the response to it. */
  start(): void {
    this.#interim = 0
    this.body.start(0)
  }

  /**
   * Parses the next head, interim or final; `undefined` while it is incomplete.
   *
   * @param method of the request that it answers
   */
  nextHead(method: string): ResponseHead | Malformed | undefined {
    const { input } = this
    const end = input.findHead()
    if (end === -1) return this.#incomplete()
    if (end - input.at > maxResponseHead) return largeHead
    const head = parseResponseHead(input.bytes, input.at, end, method)
    if (head instanceof Malformed) return head
    if (head.status < 200) {
      if (++this.#interim > maxInterim) return flood
      if (!isPersistent(head.version, connectionOptions(head.fields))) return lastWords
    }
    input.at = end + 2
    this.body.start(head.framing)
    return head
  }

  /** Refuses bytes that cannot become a head immediately. */
  #incomplete(): Malformed | undefined {
    const { bytes, at, length } = this.input
    if (length > maxResponseHead) return largeHead
    if (length >= 7 && bytes.toString('latin1', at, at + 7) !== 'HTTP/1.') return noVersion
    return this.input.hasBareLineFeed ? bareLineFeed : undefined
  }
}
