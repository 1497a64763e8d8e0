import type { Begun } from '../http/exchange.ts'
import { Malformed } from '../http/malformed.ts'
import { BodyReader } from './body-reader.ts'
import { parseRequestHead, type RequestHead } from './parse-head.ts'
import { ReceiveBuffer } from './receive-buffer.ts'

/** Largest head of a request, bytes. */
const maxRequestHead = 32 * 1024

/** Most empty lines before a request line that are skipped. */
const maxEmpty = 8

const largeHead = new Malformed('the request head is larger than 32 KB', 431)
const bareLineFeed = new Malformed('a line of the request head ends with LF instead of CRLF')
/** A client that begins with a TLS handshake shows its user nothing of an answer in clear, but logs and captures have it. */
const speaksTls = new Malformed(
  'the client speaks TLS, and this port does not',
  400,
  'This port speaks HTTP in clear: use http:// instead of https://.',
)
/** First byte of a TLS handshake. */
const tlsHandshake = 0x16
const noToken = new Malformed('the request does not begin with a method')

/** Bytes of a refused request that are looked at for its method and target. */
const maxBegun = 512
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) ([\x21-\x7e\x80-\xff]+)/

/** Splits the bytes of a connection into requests: a head, then its body, then the next head. */
export class RequestReader {
  readonly input: ReceiveBuffer = new ReceiveBuffer()
  readonly body: BodyReader = new BodyReader(false)
  #skipped = 0

  /** Parses the next head, after the body of the previous one; `undefined` while it is incomplete. */
  nextHead(): RequestHead | Malformed | undefined {
    const { input } = this
    // RFC 9112 §2.2: some clients send a CRLF after a body that is not part of it.
    while (input.length > 1 && input.bytes[input.at] === 0x0d && input.bytes[input.at + 1] === 0x0a) {
      if (this.#skipped++ === maxEmpty) return noToken
      input.at += 2
    }
    const end = input.findHead()
    if (end === -1) return this.#incomplete()
    if (end - input.at > maxRequestHead) return largeHead
    const head = parseRequestHead(input.bytes, input.at, end)
    if (head instanceof Malformed) return input.bytes[input.at] === tlsHandshake ? speaksTls : head
    input.at = end + 2
    this.#skipped = 0
    this.body.start(head.framing)
    return head
  }

  /** Method and target of the request that begins with the unread bytes; `undefined` when they do not begin like one. */
  get begun(): Begun | undefined {
    const { bytes, at } = this.input
    const [, method, target] = requestLine.exec(bytes.toString('latin1', at, at + maxBegun)) ?? []
    return method === undefined || target === undefined ? undefined : { method, target }
  }

  /** Refuses bytes that cannot become a head immediately, without waiting for the timeout. */
  #incomplete(): Malformed | undefined {
    const { input } = this
    if (input.length === 0) return undefined
    const first = input.bytes[input.at]!
    if (first === tlsHandshake) return speaksTls
    if (input.length > maxRequestHead) return largeHead
    // A CR may begin the CRLF that is skipped.
    if ((first <= 0x20 || first >= 0x7f) && (first !== 0x0d || input.length > 1)) return noToken
    return input.hasBareLineFeed ? bareLineFeed : undefined
  }
}
