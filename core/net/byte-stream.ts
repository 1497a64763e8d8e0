import { nextTick } from 'node:process'
import type { Delivery } from './delivery.ts'

/** Receives the bytes of a connection. */
export interface ByteTaker {
  /**
   * @param borrowed true: the bytes are overwritten after this call, so a part that is kept has to be copied
   * @returns whether the bytes have been consumed. Only then is memory that was not borrowed used for another read; a taker
   *   that consumes them later may return the memory with `giveMemory`.
   */
  onBytes(bytes: Buffer, borrowed: boolean): boolean
}

/** Receives all that happens on a connection. A `ByteStream` calls it later, never inside a call of one of its own methods. */
export interface ByteReceiver extends ByteTaker {
  /** The other side sends no more (FIN). A receiver that starts after that is told, too. */
  onEnd(): void
  /** All that was written before `askDrain` is with the kernel. */
  onDrain(): void
  /**
   * The connection has failed. A failed write (`syscall`) leaves it open, since what the other side sent before can still be
   * read; the receiver has to close it. After any other failure `onClose` follows.
   */
  onError(cause: NodeJS.ErrnoException): void
  /** It is closed; the last call. */
  onClose(): void
}

/** One end of a connection. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/**
 * A connection that carries bytes both ways, and allows half-open: the one interface between sockets and what uses them. After
 * `end` or a failure what is written is dropped; once it is closed all methods do nothing.
 */
export interface ByteStream {
  /** Neither closed nor about to be. */
  readonly isOpen: boolean
  /** The other side has ended (FIN), and that has been read. */
  readonly hasEnded: boolean
  /** Both sides had ended, and all that was written was with the kernel, when it closed. */
  readonly isFinished: boolean
  /** Whether bytes are held for the next receiver: see `giveBack`. */
  readonly hasHeld: boolean
  /** Bytes written that the kernel has not taken. While it is 0 the memory of all of them may be used again. */
  readonly unsent: number
  /** A write has failed, at once or later: what was written since will not arrive. The receiver is told after that. */
  readonly hasFailed: boolean
  readonly isTls: boolean
  /** TLS: the other side has not said that it ends (close_notify), or node does not tell. Then a third party may have cut it off. */
  readonly mayBeCut: boolean
  /** Has the receiver told of everything from now on, and reads; bytes that were given back come first. */
  start(receiver: ByteReceiver): void
  /** Ends `start`: reads no more, and the receiver gets no more calls. Another one may start. */
  leave(): void
  /** Bytes that a receiver did not use: they are the first of the next one. */
  giveBack(bytes: Buffer): void
  pause(): void
  resume(): void
  /** Writes text, one byte per character (latin1). */
  writeText(text: string): void
  /** Writes bytes, which must not change before `unsent` is 0. */
  write(bytes: Uint8Array): void
  /** Writes text and then bytes, which leave together. */
  writeBoth(text: string, bytes: Uint8Array): void
  /** Writes bytes that the caller overwrites afterwards. */
  writeBorrowed(bytes: Buffer): void
  /** Calls `onDrain` once, when all that was written is with the kernel. */
  askDrain(): void
  /**
   * Ends this side (FIN) once all that was written is with the kernel. When both sides have ended the connection closes.
   *
   * @param isCut TLS: without close_notify, so that the other side does not take what it received for complete; sockets of node
   *   cannot. Default: false.
   */
  end(isCut?: boolean): void
  /** Breaks the connection so that the other side cannot take what it received for complete (RST). */
  reset(): void
  /** Closes the connection immediately. */
  destroy(): void
  /** Looks how far what was written has come; `done` is called later. */
  delivery(done: (delivery: Delivery) => void): void
  /** `undefined` when it is no longer connected, or not a socket. */
  remote(): Endpoint | undefined
  local(): Endpoint | undefined
}

/** Unsent bytes from which a writer should wait for `onDrain`. */
export const maxUnsent: number = 64 * 1024

/** What all kinds of `ByteStream` do in the same way: who receives, and what the next receiver still has to be told. */
export abstract class Receiving {
  isOpen = true
  protected receiver: ByteReceiver | undefined
  hasEnded = false
  mayBeCut = false
  /** The failure that closed it. */
  protected failure: NodeJS.ErrnoException | undefined
  #held: Buffer | undefined
  /** The receiver knows of the end. */
  #told = false
  /** `onClose` is due, or has been called. */
  #closed = false
  protected isHalted = true

  /** Makes the socket read, or not. */
  protected abstract read(on: boolean): void

  abstract get isFinished(): boolean

  get hasHeld(): boolean {
    return this.#held !== undefined
  }

  start(receiver: ByteReceiver): void {
    this.receiver = receiver
    this.#told = false
    this.resume()
  }

  leave(): void {
    this.receiver = undefined
    this.pause()
  }

  giveBack(bytes: Buffer): void {
    this.#held = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes])
  }

  pause(): void {
    this.isHalted = true
    if (this.isOpen) this.read(false)
  }

  resume(): void {
    this.isHalted = false
    if (this.#held !== undefined || this.hasEnded || this.#closed) nextTick(catchUp, this)
    else if (this.isOpen) this.read(true)
  }

  /** Tells the receiver what has happened without it. */
  catchUp(): void {
    if (this.#held !== undefined && this.#mayTell) {
      const held = this.#held
      this.#held = undefined
      this.receiver!.onBytes(held, false)
    }
    if (this.#closed) this.#tellClose()
    else if (this.hasEnded) this.#tellEnd()
    else if (!this.isHalted && this.isOpen) this.read(true)
  }

  /** Who takes bytes that arrive now; without a receiver they are held. */
  protected get taker(): ByteTaker {
    return this.receiver ?? this.holder
  }

  protected get holder(): ByteTaker {
    return {
      onBytes: (bytes, borrowed) => {
        this.giveBack(borrowed ? Buffer.from(bytes) : bytes)
        return borrowed
      },
    }
  }

  protected sawEnd(): void {
    this.hasEnded = true
    this.#tellEnd()
  }

  protected sawClose(): void {
    this.#closed = true
    this.#tellClose()
  }

  get #mayTell(): boolean {
    return this.receiver !== undefined && !this.isHalted
  }

  #tellEnd(): void {
    if (this.#told || this.#held !== undefined || !this.#mayTell || !this.isOpen) return
    this.#told = true
    this.receiver!.onEnd()
  }

  #tellClose(): void {
    const { receiver, failure } = this
    this.receiver = undefined
    if (receiver === undefined) return
    // Both sides have ended, the other one while nothing was to be read: a stream of node tells of its end nevertheless.
    if (this.isFinished && !this.#told) {
      if (this.#held !== undefined) receiver.onBytes(this.#held, false)
      receiver.onEnd()
    }
    if (failure !== undefined) receiver.onError(failure)
    receiver.onClose()
  }
}

function catchUp(stream: Receiving): void {
  stream.catchUp()
}
