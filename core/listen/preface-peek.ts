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
  /** What has arrived, fewer bytes than the preface has. A stream tells of no end while it holds bytes that were given back. */
  #bytes: Buffer = Buffer.alloc(0)

  /** @param stream not started. */
  constructor(stream: ByteStream, connection: HttpConnection, handler: PrefaceHandler) {
    this.stream = stream
    this.connection = connection
    this.#handler = handler
    stream.start(this)
    this.#timer.arm(handler.timeouts.head)
  }

  onBytes(bytes: Buffer, borrowed: boolean): boolean {
    const all = Buffer.concat([this.#bytes, bytes])
    const count = Math.min(all.length, preface.length)
    this.#bytes = all
    if (preface.compare(all, 0, count, 0, count) !== 0) this.#decide(false)
    else if (count === preface.length) this.#decide(true)
    return borrowed
  }

  /** The next receiver begins with all bytes. */
  #decide(isHttp2: boolean): void {
    this.#timer.disarm()
    this.stream.leave()
    if (this.#bytes.length > 0) this.stream.giveBack(this.#bytes)
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
