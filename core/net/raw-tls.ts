import { constants } from 'node:os'
import type { ByteStream, ByteTaker } from './byte-stream.ts'
import { onWritten, RawStream } from './raw-stream.ts'
import { records, type WatchedRecords } from './record-watch.ts'
import { type StreamHandle, type TcpBinding, type TcpHandle, tcp, type WriteRequest } from './tcp-binding.ts'

/** The TLS layer of node on a TCP connection. What is read from it and written to it is not encrypted. */
export interface TlsHandle extends StreamHandle {
  readonly _parent: TcpHandle
  onerror: ((this: TlsHandle, cause: Error) => void) | undefined
  /** After the handshake, and only before TLS 1.3: a renegotiation. */
  onhandshakestart: ((this: TlsHandle) => void) | undefined
  onhandshakedone: ((this: TlsHandle) => void) | undefined
  getProtocol(): string
  destroySSL(): void
}

/** Never used without a binding: see `raw-check.ts`. */
const { WriteWrap } = (tcp ?? {}) as TcpBinding

/** Most bytes of waiting writes that are encrypted in one turn. */
const maxFlight = 256 * 1024

/** libuv: the stream already reads. */
const alreadyReading = -constants.errno.EALREADY

/**
 * All connections write text from here: node encrypts what is written before a write returns, or copies it.
 */
const out = Buffer.allocUnsafeSlow(16 * 1024)

/** TLS on handles of node, after the handshake. */
export class RawTls extends RawStream implements ByteStream, WatchedRecords {
  readonly isTls = true
  override mayBeCut = true
  #request: WriteRequest | undefined
  /** The last write is with the kernel, but node's TLS layer may not have got over it yet: it does in the next turn. */
  #isUnsettled = false
  /** What waits for the write under way. */
  #waiting: (Uint8Array | string)[] | undefined
  #waitingBytes = 0
  /** This side ends without close_notify. */
  #isCut = false

  #onDone: (() => void) | undefined

  /**
   * @param handle without an owner.
   * @param onDone its handshake has not begun: called when it is complete. Default: it is.
   */
  constructor(handle: TlsHandle, onDone?: () => void) {
    super(handle, handle._parent)
    handle.readStop()
    handle.onerror = onerror
    handle.onhandshakedone = onDone && onhandshakedone
    this.#onDone = onDone
    if (onDone === undefined) this.#secured()
  }

  #secured(): void {
    ;(this.handle as TlsHandle).onhandshakestart = onhandshakestart
    records.add(this)
  }

  /** For the handle. */
  onHandshakeDone(): void {
    const done = this.#onDone
    if (done === undefined || !this.isOpen) return
    this.#onDone = undefined
    ;(this.handle as TlsHandle).onhandshakedone = undefined
    this.#secured()
    done()
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

  override onRead(): Uint8Array | undefined {
    // Node goes on with what it has decrypted, also when the connection is closed or paused meanwhile.
    return this.isOpen ? super.onRead() : undefined
  }

  protected override get taker(): ByteTaker {
    return this.isHalted || this.hasHeld ? this.holder : super.taker
  }

  protected override takeEnd(): void {
    this.mayBeCut = !this.#isNotified()
    // Node's TLS layer handles its last write before.
    if (this.mayBeCut) setImmediate(lookBroken, this)
    this.tcp.readStop()
    super.takeEnd()
  }

  /**
   * Whether it was close_notify that ended the connection. Node reports a FIN without one in the same way, but libuv has then
   * stopped to read.
   */
  #isNotified(): boolean {
    return !this.isReading || this.tcp.readStart() === alreadyReading
  }

  /** For the handle. */
  onError(cause: Error): void {
    this.fail(cause)
  }

  get wireBytes(): number {
    return this.tcp.bytesRead
  }

  get plainBytes(): number {
    return this.handle.bytesRead
  }

  /** For the watch. */
  onEmptyRecords(): void {
    if (this.isOpen) this.fail(new Error('too many TLS records without content, such as key updates'))
  }

  /** For the handle. OpenSSL refuses it, where the context says so, with an alert that is written before this closes. */
  onRenegotiation(): void {
    setImmediate(refuse, this)
  }

  refuse(): void {
    this.fail(new Error('TLS renegotiation is not allowed'))
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────

  get unsent(): number {
    return this.pending === 0 ? 0 : this.#waitingBytes + (this.handle.writeQueueSize ?? 0) || 1
  }

  writeText(text: string): void {
    if (this.isOver || text === '') return
    if (!this.#settle()) this.#wait(text)
    else if (text.length <= out.length) this.#writeNow(out.subarray(0, out.write(text, 'latin1')))
    else this.#writeNow(Buffer.from(text, 'latin1'))
  }

  write(bytes: Uint8Array): void {
    if (this.isOver || bytes.length === 0) return
    if (this.#settle()) this.#writeNow(bytes)
    else this.#wait(bytes)
  }

  writeBoth(text: string, bytes: Uint8Array): void {
    if (this.isOver) return
    const length = text.length + bytes.length
    if (length <= out.length && this.#settle()) {
      out.set(bytes, out.write(text, 'latin1'))
      this.#writeNow(out.subarray(0, length))
    } else {
      this.#wait(text)
      this.#wait(bytes)
      if (this.#settle()) this.#writeWaiting()
    }
  }

  writeBorrowed(bytes: Buffer): void {
    if (this.isOver || bytes.length === 0) return
    if (this.#settle()) this.#writeNow(bytes)
    else this.#wait(Buffer.from(bytes))
  }

  /**
   * Finds out how far the last write has come. Node's TLS layer takes one write at a time, and ends the process when it gets
   * another one.
   *
   * @returns whether it takes one now
   */
  #settle(): boolean {
    if (this.pending > 0) return false
    if (!this.#isUnsettled) return true
    this.#isUnsettled = this.handle.writeQueueSize !== 0
    if (!this.#isUnsettled) return true
    this.#request!.oncomplete = onWritten
    this.pending = 1
    return false
  }

  #wait(chunk: Uint8Array | string): void {
    this.#waiting ??= []
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
  }

  #writeNow(bytes: Uint8Array): void {
    const { handle } = this
    const wasClear = handle.writeQueueSize === 0
    this.#written(handle.writeBuffer(this.#begin(), bytes))
    // All of it is encrypted, and with the kernel: there is nothing to wait for.
    if (this.pending > 0 && wasClear && handle.writeQueueSize !== 0 && this.tcp.writeQueueSize === 0) {
      this.#request!.oncomplete = undefined
      this.#isUnsettled = true
      this.pending = 0
    }
  }

  #writeWaiting(): void {
    const waiting = this.#waiting!
    const chunks: (Uint8Array | string)[] = []
    let length = 0
    let count = 0
    while (count < waiting.length && length < maxFlight) {
      const chunk = waiting[count++]!
      length += chunk.length
      chunks.push(chunk, typeof chunk === 'string' ? 'latin1' : 'buffer')
    }
    this.#waiting = count < waiting.length ? waiting.slice(count) : undefined
    this.#waitingBytes -= length
    this.#written(this.handle.writev(this.#begin(), chunks, false))
  }

  #begin(): WriteRequest {
    this.#request ??= new WriteWrap()
    this.#request.oncomplete = onWritten
    this.pending = 1
    return this.#request
  }

  /** The result of a write. */
  #written(status: number): void {
    if (status !== 0) this.onWritten(status)
  }

  /** For the handle; a write that fails may call it before it returns. */
  onWritten(status: number): void {
    this.pending = 0
    this.#isUnsettled = false
    // Node still holds it.
    this.#request = undefined
    if (!this.isOpen) return
    if (status !== 0) {
      this.#waiting = undefined
      this.#waitingBytes = 0
      this.failWrite(status)
    } else if (this.#waiting === undefined) this.allWritten()
    else this.#writeWaiting()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  override end(isCut: boolean = false): void {
    if (this.isOver) return
    this.#isCut = isCut
    // What tells that a write is complete tells that close_notify may follow.
    this.#settle()
    super.end()
  }

  protected override shut(): void {
    super.shut(this.#isCut ? this.tcp : this.handle)
  }

  /**
   * When what node writes of its own, like a ticket, is refused with a reset, nothing is told of it, and what is read afterwards
   * is an end. Node then writes no more.
   */
  lookBroken(): void {
    if (this.handle.writeQueueSize !== 0 && this.tcp.writeQueueSize === 0) this.failRead(-constants.errno.ECONNRESET)
  }

  override onClosed(): void {
    records.delete(this)
    ;(this.handle as TlsHandle).destroySSL()
    super.onClosed()
  }
}

function lookBroken(stream: RawTls): void {
  stream.lookBroken()
}

function refuse(stream: RawTls): void {
  stream.refuse()
}

function onerror(this: TlsHandle, cause: Error): void {
  ;(this.owner as RawTls).onError(cause)
}

function onhandshakedone(this: TlsHandle): void {
  ;(this.owner as RawTls).onHandshakeDone()
}

function onhandshakestart(this: TlsHandle): void {
  ;(this.owner as RawTls).onRenegotiation()
}
