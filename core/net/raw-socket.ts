import type { ByteStream } from './byte-stream.ts'
import { newWrite, RawStream } from './raw-stream.ts'
import { type TcpBinding, type TcpHandle, tcp, type WriteRequest } from './tcp-binding.ts'

/** Largest borrowed piece that is written as text: its memory would have to stay as it is until the kernel has taken it. */
const maxText = 16 * 1024

/** Never used without a binding: see `raw-check.ts`. */
const { streamBaseState, kLastWriteWasAsync } = (tcp ?? {}) as TcpBinding

/** For the next write. Most writes are complete when they return, and leave it as it was. */
let spare: WriteRequest | undefined

/** A TCP connection on a handle of node. */
export class RawSocket extends RawStream implements ByteStream {
  readonly isTls = false

  /** @param handle connected or connecting, without an owner. */
  constructor(handle: TcpHandle) {
    super(handle, handle)
  }

  get unsent(): number {
    return this.pending === 0 ? 0 : this.handle.writeQueueSize || 1
  }

  writeText(text: string): void {
    if (this.isOver) return
    spare ??= newWrite()
    this.#written(this.handle.writeLatin1String(spare, text), undefined)
  }

  write(bytes: Uint8Array): void {
    if (this.isOver) return
    spare ??= newWrite()
    this.#written(this.handle.writeBuffer(spare, bytes), bytes)
  }

  writeBoth(text: string, bytes: Uint8Array): void {
    if (this.isOver) return
    spare ??= newWrite()
    const chunks = [text, 'latin1', bytes, 'buffer']
    this.#written(this.handle.writev(spare, chunks, false), chunks)
  }

  /** Node copies text, but what it could not write of bytes it goes on to read from their memory. */
  writeBorrowed(bytes: Buffer): void {
    if (bytes.length <= maxText) this.writeText(bytes.toString('latin1'))
    else this.write(Buffer.from(bytes))
  }

  /** The result of a write. @param kept what must not be collected before the kernel has taken it */
  #written(status: number, kept: unknown): void {
    if (status !== 0) {
      spare = undefined
      this.failWrite(status)
    } else if (streamBaseState[kLastWriteWasAsync] !== 0) {
      spare!.kept = kept
      spare = undefined
      this.pending++
    }
  }

  /** For the handle: a write that was asynchronous is complete. */
  onWritten(status: number): void {
    this.pending--
    if (!this.isOpen) return
    if (status !== 0) this.failWrite(status)
    else if (this.pending === 0) this.allWritten()
  }

  protected override shut(): void {
    if (!this.hasEnded) return super.shut()
    // A close sends a FIN, too, when all that arrived has been read.
    this.isShut = true
    this.destroy()
  }

  /** Gives the handle up to another owner; nothing that was written may be unsent. The stream is closed from then on. */
  release(): TcpHandle {
    this.leave()
    this.giveUp()
    delete this.tcp.owner
    return this.tcp
  }
}
