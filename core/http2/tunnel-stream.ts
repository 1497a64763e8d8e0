import { nextTick } from 'node:process'
import { CONSUMED, type Consumed } from '../http/exchange.ts'
import { type ByteStream, type Endpoint, Receiving } from '../net/byte-stream.ts'
import type { Delivery } from '../net/delivery.ts'
import { ErrorCode } from './frames.ts'
import type { Http2Stream } from './stream.ts'

/**
 * A stream that has become a tunnel (RFC 8441 §4), as a connection: END_STREAM is the FIN of each side, RST_STREAM the reset. Its
 * stream passes on the calls that it gets.
 */
export class TunnelStream extends Receiving implements ByteStream {
  readonly hasFailed = false
  readonly #stream: Http2Stream
  #isEnded = false
  #isFlushed = false
  #isAsked = false
  /** Bytes written since the tunnel began. */
  #written = 0

  /** @param stream paused; its head has been sent */
  constructor(stream: Http2Stream) {
    super()
    this.#stream = stream
  }

  // ── what the stream tells ──────────────────────────────────────────────────────────────────────────────────────────

  /** What the receiver cannot pass on immediately, it has copied. */
  onData(piece: Buffer): Consumed {
    this.taker.onBytes(piece, true)
    return CONSUMED
  }

  onEndStream(): void {
    this.sawEnd()
    this.#closeWhenDone()
  }

  onWritable(): void {
    if (!this.#isAsked) return
    this.#isAsked = false
    this.receiver?.onDrain()
  }

  /** This side has ended, and all that was written is with the kernel. */
  onFlushed(): void {
    this.#isFlushed = true
    this.#closeWhenDone()
  }

  /** The other side has sent what does not belong into a tunnel. */
  refuse(): void {
    this.#stream.reset(ErrorCode.PROTOCOL_ERROR)
    this.onReset(new Error('a header block is in a tunnel'))
  }

  onReset(cause: Error | undefined): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.failure = cause ?? Object.assign(new Error('the stream was reset'), { code: 'ECONNRESET' })
    this.sawClose()
  }

  // ── ByteStream ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get isTls(): boolean {
    return this.#stream.connection.transport.isTls
  }

  get isFinished(): boolean {
    return this.hasEnded && this.#isFlushed
  }

  get unsent(): number {
    return this.#stream.isFlushed ? 0 : Math.max(1, this.#stream.unsent)
  }

  /** Later: a stream passes on what it has kept before its `resume` returns. */
  protected read(on: boolean): void {
    if (on) nextTick(resume, this)
    else this.#stream.pause()
  }

  resumeNow(): void {
    if (this.isOpen && !this.isHalted) this.#stream.resume()
  }

  writeText(text: string): void {
    this.write(Buffer.from(text, 'latin1'))
  }

  write(bytes: Uint8Array): void {
    if (!this.isOpen || this.#isEnded || bytes.length === 0) return
    this.#written += bytes.length
    this.#stream.sendData(bytes)
  }

  writeBoth(text: string, bytes: Uint8Array): void {
    this.writeText(text)
    this.write(bytes)
  }

  writeBorrowed(bytes: Buffer): void {
    this.write(Buffer.from(bytes))
  }

  askDrain(): void {
    this.#isAsked = this.isOpen && !this.#isEnded
    if (this.#isAsked && this.#stream.unsent === 0) nextTick(tellDrain, this)
  }

  /** An end that may be cut looks like any other: a reset would drop what is on its way. */
  end(): void {
    if (!this.isOpen || this.#isEnded) return
    this.#isEnded = true
    this.#stream.sendEnd()
  }

  reset(): void {
    this.destroy()
  }

  /** RFC 8441 §5.1: CANCEL is the reset of a tunnel. */
  destroy(): void {
    if (!this.isOpen) return
    this.isOpen = false
    if (!this.isFinished) this.#stream.reset(ErrorCode.CANCEL)
    nextTick(close, this)
  }

  closeNow(): void {
    this.sawClose()
  }

  /** How far the kernel has come says nothing about one stream of many. */
  delivery(done: (delivery: Delivery) => void): void {
    const left = this.unsent
    setImmediate(done, { taken: this.#written - left, left })
  }

  remote(): Endpoint | undefined {
    return undefined
  }

  local(): Endpoint | undefined {
    return undefined
  }

  #closeWhenDone(): void {
    if (!this.isFinished || !this.isOpen) return
    this.isOpen = false
    nextTick(close, this)
  }
}

function resume(stream: TunnelStream): void {
  stream.resumeNow()
}

function close(stream: TunnelStream): void {
  stream.closeNow()
}

function tellDrain(stream: TunnelStream): void {
  stream.onWritable()
}
