import { nextTick } from 'node:process'
import { getSystemErrorName } from 'node:util'
import { type ByteStream, type Endpoint, Receiving } from './byte-stream.ts'
import { type Delivery, deliveryOf } from './delivery.ts'
import { passOn } from './read-memory.ts'
import { common } from './spare-memory.ts'
import { type ShutdownRequest, type TcpBinding, type TcpHandle, tcp, type WriteRequest } from './tcp-binding.ts'

/** What libuv reports at the end of a stream. */
const endOfFile = -4095

/** Largest borrowed piece that is written as text: its memory would have to stay as it is until the kernel has taken it. */
const maxText = 16 * 1024

/** Never used without a binding: see `raw-check.ts`. */
const { WriteWrap, ShutdownWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = (tcp ?? {}) as TcpBinding

/** For the next write. Most writes are complete when they return, and leave it as it was. */
let spare: WriteRequest | undefined

/**
 * A TCP connection on a handle of node, without a stream above it: a request through two sockets of node costs 1.3 to 1.7
 * times as much CPU time as through two handles, and a connection 2 KB more memory.
 */
export class RawSocket extends Receiving implements ByteStream {
  readonly isTls = false
  readonly #handle: TcpHandle
  /** What the handle reads into. */
  #memory: Buffer = common
  /** Writes that the kernel has not taken. */
  #pending = 0
  #isReading = false
  #isAsked = false
  /** No more is written: `end` was called, or a write has failed. */
  #isOver = false
  hasFailed = false
  /** A FIN is on its way to the kernel. */
  #isShutting = false
  /** The kernel has the FIN. */
  #isShut = false

  /** @param handle connected or connecting, without an owner. */
  constructor(handle: TcpHandle) {
    super()
    this.#handle = handle
    handle.owner = this
    handle.useUserBuffer(common)
    handle.onread = onread
  }

  get isFinished(): boolean {
    return this.hasEnded && this.#isShut
  }

  get unsent(): number {
    return this.#pending === 0 ? 0 : this.#handle.writeQueueSize || 1
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected read(on: boolean): void {
    if (on === this.#isReading || this.hasEnded) return
    this.#isReading = on
    if (!on) this.#handle.readStop()
    else {
      const status = this.#handle.readStart()
      if (status !== 0) nextTick(failRead, this, status)
    }
  }

  /** For the handle. @returns the memory of the next read, if it is another one */
  onRead(): Uint8Array | undefined {
    const count = streamBaseState[kReadBytesOrError]!
    if (count > 0) return this.#take(count)
    if (count === endOfFile) this.#takeEnd()
    else if (count < 0) this.failRead(count)
    return undefined
  }

  #take(count: number): Uint8Array | undefined {
    const memory = this.#memory
    // When the taker throws, it has kept what it was given.
    this.#memory = common
    try {
      this.#memory = passOn(this.taker, count, memory)
    } catch (error) {
      this.#break(error as Error)
    }
    return this.#memory === memory ? undefined : this.#memory
  }

  #takeEnd(): void {
    this.#isReading = false
    try {
      this.sawEnd()
    } catch (error) {
      this.#break(error as Error)
    }
    if (this.#isShut) this.destroy()
  }

  failRead(status: number): void {
    if (this.isOpen) this.#close(errorOf(status, 'read'))
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────

  writeText(text: string): void {
    if (this.#isOver) return
    spare ??= newWrite()
    this.#written(this.#handle.writeLatin1String(spare, text), undefined)
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver) return
    spare ??= newWrite()
    this.#written(this.#handle.writeBuffer(spare, bytes), bytes)
  }

  writeBoth(text: string, bytes: Uint8Array): void {
    if (this.#isOver) return
    spare ??= newWrite()
    const chunks = [text, 'latin1', bytes, 'buffer']
    this.#written(this.#handle.writev(spare, chunks, false), chunks)
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
      this.#failWrite(status)
    } else if (streamBaseState[kLastWriteWasAsync] !== 0) {
      spare!.kept = kept
      spare = undefined
      this.#pending++
    }
  }

  /** For the handle: a write that was asynchronous is complete. */
  onWritten(status: number): void {
    this.#pending--
    if (!this.isOpen) return
    if (status !== 0) return this.#failWrite(status)
    if (this.#pending > 0) return
    if (this.#isOver && !this.hasFailed) this.#shut()
    if (!this.#isAsked) return
    this.#isAsked = false
    try {
      this.receiver?.onDrain()
    } catch (error) {
      this.#break(error as Error)
    }
  }

  askDrain(): void {
    this.#isAsked = true
    if (this.#pending === 0) nextTick(drained, this)
  }

  drained(): void {
    if (!this.#isAsked || this.#pending > 0) return
    this.#isAsked = false
    if (this.isOpen) this.receiver?.onDrain()
  }

  #failWrite(status: number): void {
    if (this.hasFailed) return
    this.hasFailed = true
    this.#isOver = true
    nextTick(tellFailure, this, status)
  }

  tellFailure(status: number): void {
    const { receiver } = this
    if (!this.isOpen) return
    if (receiver === undefined) this.#close(errorOf(status, 'write'))
    else receiver.onError(errorOf(status, 'write'))
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#pending === 0) this.#shut()
  }

  #shut(): void {
    // A close sends a FIN, too, when all that arrived has been read.
    if (this.hasEnded) {
      this.#isShut = true
      return this.destroy()
    }
    const request = new ShutdownWrap()
    request.oncomplete = onShut
    this.#isShutting = this.#handle.shutdown(request) === 0
    if (!this.#isShutting) nextTick(shut, this)
  }

  /** For the handle: the kernel has the FIN, or the connection has already ended. */
  onShut(): void {
    this.#isShutting = false
    this.#isShut = true
    if (this.hasEnded) this.destroy()
  }

  reset(): void {
    if (!this.isOpen) return
    // The system refuses a reset while a FIN is on its way, and node then never closes the handle. All data is with the kernel
    // by then, so closing truncates nothing.
    if (this.#isShutting) return this.destroy()
    this.#leave()
    this.#handle.reset(onclosed)
  }

  destroy(): void {
    this.#close(undefined)
  }

  #close(failure: NodeJS.ErrnoException | undefined): void {
    if (!this.isOpen) return
    this.failure = failure
    this.#leave()
    this.#handle.close(onclosed)
  }

  /** A receiver has thrown. In a callback of a handle, which no stream guards, that would end the process. */
  #break(error: Error): void {
    process.emitWarning(error)
    this.failure ??= error
    this.reset()
  }

  #leave(): void {
    this.isOpen = false
    this.#isOver = true
  }

  /** For the handle. */
  onClosed(): void {
    this.sawClose()
  }

  /** Gives the handle up to another owner; nothing that was written may be unsent. The stream is closed from then on. */
  release(): TcpHandle {
    this.leave()
    this.#leave()
    delete this.#handle.owner
    return this.#handle
  }

  // ── what is known of it ────────────────────────────────────────────────────────────────────────────────────────────

  delivery(done: (delivery: Delivery) => void): void {
    // A handle that has been closed has no queue.
    deliveryOf(this, this.#handle.bytesWritten - (this.#handle.writeQueueSize ?? 0), done)
  }

  remote(): Endpoint | undefined {
    const found = {}
    return this.#handle.getpeername(found) === 0 ? (found as Endpoint) : undefined
  }

  local(): Endpoint | undefined {
    const found = {}
    return this.#handle.getsockname(found) === 0 ? (found as Endpoint) : undefined
  }
}

function onread(this: TcpHandle): Uint8Array | undefined {
  return this.owner!.onRead()
}

function onclosed(this: TcpHandle): void {
  this.owner!.onClosed()
}

function onWritten(this: WriteRequest, status: number, handle: TcpHandle): void {
  handle.owner!.onWritten(status)
}

function onShut(this: ShutdownRequest, _status: number, handle: TcpHandle): void {
  handle.owner!.onShut()
}

function newWrite(): WriteRequest {
  const request = new WriteWrap()
  request.oncomplete = onWritten
  return request
}

function failRead(socket: RawSocket, status: number): void {
  socket.failRead(status)
}

function tellFailure(socket: RawSocket, status: number): void {
  socket.tellFailure(status)
}

function drained(socket: RawSocket): void {
  socket.drained()
}

function shut(socket: RawSocket): void {
  socket.onShut()
}

function errorOf(status: number, syscall: 'read' | 'write'): NodeJS.ErrnoException {
  const code = getSystemErrorName(status)
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: status, syscall })
}
