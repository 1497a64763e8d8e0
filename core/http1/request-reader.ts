import { Malformed } from '../http/malformed.ts'
import { BodyReader } from './body-reader.ts'
import { parseRequestHead, type RequestHead } from './parse-head.ts'
import { ReceiveBuffer } from './receive-buffer.ts'

/** Largest head of a request, bytes. */
export const maxRequestHead: number = 32 * 1024

const largeHead = new Malformed('the request head is larger than 32 KB', 431)
const bareLineFeed = new Malformed('a line of the request head ends with LF instead of CRLF')
const noToken = new Malformed('the request does not begin with a method')

/** Splits the bytes of a connection into requests: a head, then its body, then the next head. */
export class RequestReader {
  readonly input: ReceiveBuffer = new ReceiveBuffer()
  readonly body: BodyReader = new BodyReader()
  #skipped = false

  /** Parses the next head, after the body of the previous one; `undefined` while it is incomplete. */
  nextHead(): RequestHead | Malformed | undefined {
    const { input } = this
    // RFC 9112 §2.2: some clients send a CRLF after a body that is not part of it. One is skipped.
    if (!this.#skipped && input.length > 1 && input.bytes[input.at] === 0x0d && input.bytes[input.at + 1] === 0x0a) {
      input.at += 2
      this.#skipped = true
    }
    const end = input.findHead()
    if (end === -1) return this.#incomplete()
    if (end - input.at > maxRequestHead) return largeHead
    const head = parseRequestHead(input.bytes, input.at, end)
    if (head instanceof Malformed) return head
    input.at = end + 2
    this.#skipped = false
    this.body.start(head.framing)
    return head
  }

  /** Refuses bytes that cannot become a head immediately, without waiting for the timeout. */
  #incomplete(): Malformed | undefined {
    const { input } = this
    if (input.length === 0) return undefined
    if (input.length > maxRequestHead) return largeHead
    const first = input.bytes[input.at]!
    // A CR may begin the CRLF that is skipped.
    if ((first <= 0x20 || first >= 0x7f) && (first !== 0x0d || input.length > 1 || this.#skipped)) return noToken
    return input.hasBareLineFeed ? bareLineFeed : undefined
  }
}
