import type { HttpConnection, HttpSession, ServerHandler } from '../http/exchange.ts'
import { preface } from '../http2/frames.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { Peek, type PeekOwner, type PeekReader } from './peek.ts'

/** What a peek needs of its listener. */
export interface PrefaceHandler extends ServerHandler {
  /** The first bytes are known, and given back to the stream. */
  onPreface(peek: PrefacePeek, isHttp2: boolean): void
}

/** Whether the first bytes of a client are the preface of HTTP/2, which is no request of another version (RFC 9113 §3.4). */
export class PrefaceReader implements PeekReader<'1.1' | '2'> {
  rest: Buffer = Buffer.alloc(0)

  push(bytes: Buffer): '1.1' | '2' | undefined {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes])
    const count = Math.min(this.rest.length, preface.length)
    if (preface.compare(this.rest, 0, count, 0, count) !== 0) return '1.1'
    return count === preface.length ? '2' : undefined
  }

  /** A client that sends no more has said all that it will: HTTP/1.1 has words for that. */
  end(): '1.1' {
    return '1.1'
  }
}

/** A connection without TLS whose first bytes say which version of HTTP the client speaks (prior knowledge, RFC 9113 §3.3). */
export class PrefacePeek implements HttpSession, PeekOwner<'1.1' | '2'> {
  readonly stream: ByteStream
  readonly connection: HttpConnection
  readonly isLeaving = false
  readonly #handler: PrefaceHandler

  /** @param stream not started. */
  constructor(stream: ByteStream, connection: HttpConnection, handler: PrefaceHandler) {
    this.stream = stream
    this.connection = connection
    this.#handler = handler
    // The stream holds it from now on.
    new Peek(stream, handler.timeouts.head, new PrefaceReader(), this)
  }

  onPeeked(version: '1.1' | '2'): void {
    this.#handler.onPreface(this, version === '2')
  }

  onGone(): void {
    this.#handler.onClose(this)
  }

  /** The session that follows is told again. */
  makeLast(): void {}

  drain(): void {
    this.stream.destroy()
  }

  abort(): void {
    this.stream.reset()
  }

  refuse(): void {}
}
