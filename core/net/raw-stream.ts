import { nextTick } from 'node:process'
import { getSystemErrorName } from 'node:util'
import { type ByteStream, type Endpoint, Receiving } from './byte-stream.ts'
import { type Delivery, deliveryOf } from './delivery.ts'
import { passOn } from './read-memory.ts'
import { common } from './spare-memory.ts'
import {
  type HandleOwner,
  type ShutdownRequest,
  type StreamHandle,
  type TcpBinding,
  type TcpHandle,
  tcp,
  type WriteRequest,
} from './tcp-binding.ts'

/** What libuv reports at the end of a stream. */
const endOfFile = -4095

/** Never used without a binding: see `raw-check.ts`. */
const { WriteWrap, ShutdownWrap, streamBaseState, kReadBytesOrError } = (tcp ?? {}) as TcpBinding

/**
 * A connection on a handle of node, without a stream above it: a request through two sockets of node costs 1.3 to 1.7 times as
 * much CPU time as through two handles, and a connection 2 KB more memory. Here is what TCP and TLS have in common; they differ
 * in how they write.
 */
export abstract class RawStream extends Receiving implements ByteStream, HandleOwner {
  abstract readonly isTls: boolean
  abstract readonly unsent: number
  /** What is read from and written to. */
  protected readonly handle: StreamHandle
  protected readonly tcp: TcpHandle
  /** Writes that the kernel has not taken. */
  protected pending = 0
  /** No more is written: `end` was called, or a write has failed. */
  protected isOver = false
  /** The kernel has the FIN. */
  protected isShut = false
  /** What the handle reads into. */
  #memory: Buffer = common
  #isReading = false
  #isAsked = false
  hasFailed = false
  /** A FIN is on its way to the kernel. */
  #isShutting = false

  constructor(handle: StreamHandle, tcp: TcpHandle) {
    super()
    this.handle = handle
    this.tcp = tcp
    handle.owner = this
    tcp.owner = this
    handle.useUserBuffer(common)
    handle.onread = onread
  }

  abstract writeText(text: string): void
  abstract write(bytes: Uint8Array): void
  abstract writeBoth(text: string, bytes: Uint8Array): void
  abstract writeBorrowed(bytes: Buffer): void
  abstract onWritten(status: number): void

  get isFinished(): boolean {
    return this.hasEnded && this.isShut
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected get isReading(): boolean {
    return this.#isReading
  }

  protected read(on: boolean): void {
    if (on === this.#isReading || this.hasEnded) return
    this.#isReading = on
    if (!on) this.handle.readStop()
    else {
      const status = this.handle.readStart()
      if (status !== 0) nextTick(failRead, this, status)
    }
  }

  /** For the handle. @returns the memory of the next read, if it is another one */
  onRead(): Uint8Array | undefined {
    const count = streamBaseState[kReadBytesOrError]!
    if (count > 0) return this.#take(count)
    if (count === endOfFile) this.takeEnd()
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

  protected takeEnd(): void {
    this.#isReading = false
    try {
      this.sawEnd()
    } catch (error) {
      this.#break(error as Error)
    }
    if (this.isShut) this.destroy()
  }

  failRead(status: number): void {
    if (this.isOpen) this.fail(errorOf(status, 'read'))
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The kernel has taken all that was written. */
  protected allWritten(): void {
    if (this.isOver && !this.hasFailed) this.shut()
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
    if (this.pending === 0) nextTick(drained, this)
  }

  drained(): void {
    if (!this.#isAsked || this.pending > 0) return
    this.#isAsked = false
    if (this.isOpen) this.receiver?.onDrain()
  }

  protected failWrite(status: number): void {
    if (this.hasFailed) return
    this.hasFailed = true
    this.isOver = true
    nextTick(tellFailure, this, status)
  }

  tellFailure(status: number): void {
    const { receiver } = this
    if (!this.isOpen) return
    if (receiver === undefined) this.fail(errorOf(status, 'write'))
    else receiver.onError(errorOf(status, 'write'))
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  end(_isCut?: boolean): void {
    if (this.isOver) return
    this.isOver = true
    if (this.pending === 0) this.shut()
  }

  protected shut(handle: StreamHandle = this.handle): void {
    const request = new ShutdownWrap()
    request.oncomplete = onShut
    this.#isShutting = handle.shutdown(request) === 0
    if (!this.#isShutting) nextTick(shut, this)
  }

  /** For the handle: the kernel has the FIN, or the connection has already ended. */
  onShut(): void {
    this.#isShutting = false
    this.isShut = true
    if (this.hasEnded) this.destroy()
  }

  reset(): void {
    if (!this.isOpen) return
    // The system refuses a reset while a FIN is on its way, and node then never closes the handle. All data is with the kernel
    // by then, so closing truncates nothing.
    if (this.#isShutting) return this.destroy()
    this.giveUp()
    this.tcp.reset(onclosed)
  }

  destroy(): void {
    this.#close()
  }

  protected fail(failure: NodeJS.ErrnoException): void {
    if (!this.isOpen) return
    this.failure = failure
    this.#close()
  }

  #close(): void {
    if (!this.isOpen) return
    this.giveUp()
    this.tcp.close(onclosed)
  }

  /** A receiver has thrown. In a callback of a handle, which no stream guards, that would end the process. */
  #break(error: Error): void {
    process.emitWarning(error)
    this.failure ??= error
    this.reset()
  }

  protected giveUp(): void {
    this.isOpen = false
    this.isOver = true
  }

  /** For the handle. */
  onClosed(): void {
    this.sawClose()
  }

  // ── what is known of it ────────────────────────────────────────────────────────────────────────────────────────────

  delivery(done: (delivery: Delivery) => void): void {
    // A handle that has been closed has no queue.
    deliveryOf(this, this.tcp.bytesWritten - (this.tcp.writeQueueSize ?? 0), done)
  }

  remote(): Endpoint | undefined {
    const found = {}
    return this.tcp.getpeername(found) === 0 ? (found as Endpoint) : undefined
  }

  local(): Endpoint | undefined {
    const found = {}
    return this.tcp.getsockname(found) === 0 ? (found as Endpoint) : undefined
  }
}

function onread(this: StreamHandle): Uint8Array | undefined {
  return this.owner!.onRead()
}

function onclosed(this: TcpHandle): void {
  this.owner!.onClosed()
}

function onShut(this: ShutdownRequest, _status: number, handle: StreamHandle): void {
  handle.owner!.onShut()
}

export function newWrite(): WriteRequest {
  const request = new WriteWrap()
  request.oncomplete = onWritten
  return request
}

export function onWritten(this: WriteRequest, status: number, handle: StreamHandle): void {
  handle.owner!.onWritten(status)
}

function failRead(stream: RawStream, status: number): void {
  stream.failRead(status)
}

function tellFailure(stream: RawStream, status: number): void {
  stream.tellFailure(status)
}

function drained(stream: RawStream): void {
  stream.drained()
}

function shut(stream: RawStream): void {
  stream.onShut()
}

function errorOf(status: number, syscall: 'read' | 'write'): NodeJS.ErrnoException {
  const code = getSystemErrorName(status)
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: status, syscall })
}
