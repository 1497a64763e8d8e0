import type { HttpConnection, HttpSession, ServerHandler } from '../http/exchange.ts'
import { preface } from '../http2/frames.ts'
import type { ByteReceiver, ByteStream } from '../net/byte-stream.ts'
import { WheelTimer } from '../net/timer-wheel.ts'

/** What a peek needs of its listener. */
export interface PrefaceHandler extends ServerHandler {
  /** The first bytes are known, and given back to the stream. */
  onPreface(peek: PrefacePeek, isHttp2: boolean): void
}

/**
 * A connection without TLS whose first bytes say which version of HTTP the client speaks (prior knowledge, RFC 9113 §3.3): those
 * of HTTP/2 begin with the preface, which is no request of another version.
 */
export class PrefacePeek implements ByteReceiver, HttpSession {
  readonly stream: ByteStream
  readonly connection: HttpConnection
  readonly #handler: PrefaceHandler
  readonly #timer = new WheelTimer(this)
  #seen = 0

  /** @param stream not started. */
  constructor(stream: ByteStream, connection: HttpConnection, handler: PrefaceHandler) {
    this.stream = stream
    this.connection = connection
    this.#handler = handler
    stream.start(this)
    this.#timer.arm(handler.timeouts.head)
  }

  onBytes(bytes: Buffer, borrowed: boolean): boolean {
    const count = Math.min(bytes.length, preface.length - this.#seen)
    const isLike = preface.compare(bytes, 0, count, this.#seen, this.#seen + count) === 0
    this.stream.giveBack(borrowed ? Buffer.from(bytes) : bytes)
    this.#seen += count
    if (!isLike) this.#decide(false)
    else if (this.#seen === preface.length) this.#decide(true)
    return borrowed
  }

  /** The next receiver begins with all bytes. */
  #decide(isHttp2: boolean): void {
    this.#timer.disarm()
    this.stream.leave()
    this.#handler.onPreface(this, isHttp2)
  }

  onEnd(): void {
    // A client that sends no more has said all that it will: HTTP/1.1 has words for that.
    this.#decide(false)
  }

  onDrain(): void {}

  onError(): void {}

  onClose(): void {
    this.#timer.disarm()
    this.#handler.onClose(this)
  }

  onTimeout(): void {
    this.stream.destroy()
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
