import { type OnReadOpts, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type ByteStream, type ByteTaker, type Endpoint, Receiving } from './byte-stream.ts'
import { type Delivery, deliveryOf } from './delivery.ts'
import { passOn } from './read-memory.ts'
import { common } from './spare-memory.ts'

/** A stream of node as a `ByteStream`: a socket, plain or TLS, or any other that allows half-open. */
export class DuplexStream extends Receiving implements ByteStream {
  readonly #stream: Duplex
  #asked = false
  #isFinished = false

  /**
   * @param stream without listeners of others.
   * @param reader what its socket was made with. Default: the stream emits `data`.
   */
  constructor(stream: Duplex, reader?: SocketReader) {
    super()
    this.#stream = stream
    this.mayBeCut = this.isTls
    if (reader !== undefined) reader.takerNow = () => this.taker
    else stream.on('data', (bytes: Buffer) => void this.taker.onBytes(bytes, false)).pause()
    if (!this.isTls) keepOnWriteError(stream)
    stream.on('end', () => {
      this.sawEnd()
      this.#closeWhenDone()
    })
    stream.on('finish', () => this.#closeWhenDone())
    stream.on('error', (cause) => this.#failed(cause))
    stream.on('close', () => this.#closedNow())
    if (stream.destroyed) setImmediate(() => this.#closedNow())
    else if (stream.readableEnded) this.hasEnded = true
  }

  get isTls(): boolean {
    return this.#stream instanceof TLSSocket
  }

  get isFinished(): boolean {
    return this.#isFinished
  }

  override get hasHeld(): boolean {
    return super.hasHeld || this.#stream.readableLength > 0
  }

  get unsent(): number {
    return this.#stream.writableLength
  }

  get hasFailed(): boolean {
    return this.#stream.errored !== null
  }

  protected read(on: boolean): void {
    if (on) this.#stream.resume()
    else this.#stream.pause()
  }

  writeText(text: string): void {
    if (this.#stream.writable) this.#stream.write(text, 'latin1')
  }

  write(bytes: Uint8Array): void {
    if (this.#stream.writable) this.#stream.write(bytes)
  }

  writeBoth(text: string, bytes: Uint8Array): void {
    this.#stream.cork()
    this.writeText(text)
    this.write(bytes)
    this.#stream.uncork()
  }

  writeBorrowed(bytes: Buffer): void {
    this.write(Buffer.from(bytes))
  }

  askDrain(): void {
    if (this.#asked || !this.#stream.writable) return
    this.#asked = true
    this.#stream.write(nothing, (error) => {
      this.#asked = false
      if (error || !this.isOpen) return
      if (this.unsent > 0) this.askDrain()
      else this.receiver?.onDrain()
    })
  }

  end(): void {
    this.#stream.end()
  }

  reset(): void {
    if (!this.isOpen) return
    this.isOpen = false
    const stream = this.#stream
    // After a FIN has been sent the system refuses a reset, and node then never closes the socket. All data is with the
    // kernel by then, so closing the socket truncates nothing.
    const isEnding = stream.writableEnded && !stream.writableFinished && stream.writableLength === 0
    // Node refuses to reset a TLS socket. A close without close_notify tells the other side the same.
    if (stream instanceof Socket && !this.isTls && !isEnding) stream.resetAndDestroy()
    else stream.destroy()
  }

  destroy(): void {
    this.isOpen = false
    this.#stream.destroy()
  }

  /** Gives the stream up to another owner, without listeners. This one is closed from then on. */
  release(): Duplex {
    this.leave()
    this.isOpen = false
    for (const event of ['data', 'end', 'finish', 'error', 'close']) this.#stream.removeAllListeners(event)
    return this.#stream
  }

  delivery(done: (delivery: Delivery) => void): void {
    const { _bytesDispatched: dispatched = 0, _handle: handle } = this.#stream as unknown as Internals
    deliveryOf(this, dispatched - (handle?.writeQueueSize ?? 0), done)
  }

  remote(): Endpoint | undefined {
    const { remoteAddress: address, remotePort: port } = this.#stream as Socket
    return address === undefined || port === undefined ? undefined : { address, port }
  }

  local(): Endpoint | undefined {
    const { localAddress: address, localPort: port } = this.#stream as Socket
    return address === undefined || port === undefined ? undefined : { address, port }
  }

  #failed(cause: NodeJS.ErrnoException): void {
    const { receiver } = this
    if (cause.syscall === 'write' && !this.#stream.destroyed && receiver !== undefined) return receiver.onError(cause)
    this.failure = cause
    this.destroy()
  }

  #closedNow(): void {
    this.isOpen = false
    this.sawClose()
  }

  /** Streams do it themselves where a write error destroys them. */
  #closeWhenDone(): void {
    this.#isFinished = this.#stream.readableEnded && this.#stream.writableFinished
    if (this.#isFinished) this.destroy()
  }
}

/** Makes a socket read into memory that is already allocated: see `passOn`. */
export class SocketReader {
  /** For `net.connect` and `new Socket`. */
  readonly onread: OnReadOpts
  /** Who takes the bytes of the next read; set before the first one. */
  takerNow!: () => ByteTaker
  /** Memory of the next read. */
  #next: Buffer = common

  constructor() {
    this.onread = { buffer: () => this.#next, callback: (count, memory) => this.#take(count, memory as Buffer) }
  }

  #take(count: number, memory: Buffer): boolean {
    // When the taker throws, it has kept what it was given.
    this.#next = common
    this.#next = passOn(this.takerNow(), count, memory)
    return true
  }
}

/**
 * A failed write destroys a socket of node. A backend that refuses an upload answers and closes the connection, and the answer
 * has often arrived when the next piece of the upload cannot be written: it would be lost. So the socket only emits `error`.
 */
function keepOnWriteError(stream: Duplex): void {
  // node has no option for it: it forces the option of streams to true.
  const { _readableState, _writableState } = stream as unknown as Record<string, { autoDestroy: boolean } | undefined>
  if (_readableState !== undefined) _readableState.autoDestroy = false
  if (_writableState !== undefined) _writableState.autoDestroy = false
}

/** What node offers no other way to see: bytes given to the handle, and those of them that the kernel has not taken. */
interface Internals {
  readonly _bytesDispatched?: number
  readonly _handle?: { readonly writeQueueSize?: number } | null
}

const nothing = Buffer.alloc(0)
