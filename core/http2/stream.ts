import { CONSUMED, type Consumed } from '../http/exchange.ts'
import type { Http2Connection } from './connection.ts'
import { ReceiveWindow } from './flow-window.ts'
import { ErrorCode, initialWindow } from './frames.ts'
import { PieceQueue } from './piece-queue.ts'

/**
 * One stream of an HTTP/2 connection: both directions, with their flow control. What its messages mean is up to the subclass,
 * which the connection tells of everything that arrives. Every method may be called from inside any of its calls, and does
 * nothing once the stream is closed.
 */
export abstract class Http2Stream {
  readonly connection: Http2Connection
  /** 0: a stream of this client whose head has not been written yet. */
  id: number
  /** Neither reset nor ended in both directions. */
  isOpen = true
  /** The peer has ended its direction, though perhaps not all has been passed on. */
  hasEnded = false
  /** This side has ended its direction: END_STREAM has been written. */
  isEnded = false

  // For `Sender`: the head that waits, the data that is held back, and how it ends.
  head: readonly string[] | undefined
  /** A final head has been given. */
  hasHead = false
  queue: Uint8Array[] | undefined
  /** Bytes of the first piece of `queue` that have been sent. */
  queueAt = 0
  /** Bytes of pieces that are held back. */
  unsent = 0
  isEnding = false
  trailers: readonly string[] | undefined
  /** A `sendData` has returned false. */
  wantsRoom = false
  /** Credit that the peer gives; may be negative (RFC 9113 §6.9.2). */
  credit: number
  /** Where the last frame of the stream begins in the output, and in which turn of it. */
  frameAt = -1
  frameTurn = -1

  readonly #window = new ReceiveWindow(initialWindow)
  #isPaused = false
  #isPassing = false
  #kept: PieceQueue | undefined
  #keptFields: string[] | undefined
  /** `onEndStream` is due. */
  #isEndDue = false
  #isDropped = false

  /** @param id as given to `open`; of a client's stream 0: it gets its id when its head is written */
  constructor(connection: Http2Connection, id: number) {
    this.connection = connection
    this.id = id
    this.credit = connection.peer.initialWindow
    connection.table.enter(this)
  }

  // ── what arrives ───────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * A header block after that of `open`: the trailers of a request (always `isEnd`); of a response its heads and trailers. In
   * order with the data. `onEndStream` follows if `isEnd`.
   *
   * @param list names and values in turn, not checked
   */
  abstract onFields(list: string[], isEnd: boolean): void
  /** The header list of a later block is larger than `maxList`. Default: the stream fails. */
  onTooLong(problem: string): void {
    this.connection.failStream(this, ErrorCode.ENHANCE_YOUR_CALM, problem)
  }

  /** A piece of the body, never empty. It belongs to the subclass, unless it returns `CONSUMED`. */
  abstract onData(piece: Buffer): Consumed | void
  /** DATA has arrived that carries nothing. */
  onEmptyData(): void {}
  /** The peer has ended its direction. Not called when `open` was told so. */
  abstract onEndStream(): void
  /**
   * The stream has ended before both directions did, and not by `reset`; the last call.
   *
   * @param code of the peer's RST_STREAM, or of the one that the connection sent it because of `cause`. REFUSED_STREAM also
   *   when a GOAWAY has said that the peer will not process the stream. `undefined`: the connection has failed or is closed.
   * @param cause what was wrong with a frame of the peer, or with the connection
   */
  abstract onReset(code: ErrorCode | undefined, cause?: Error): void
  /** All that was passed to `sendData` has been sent; only after a `sendData` that returned false. */
  abstract onWritable(): void
  /**
   * The whole of this direction, END_STREAM included, is with the kernel. `onReset` may still follow while the direction of the
   * peer is open, and comes instead when the connection fails before.
   */
  onFlushed(): void {}

  // ── for the subclass ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a head. A final one waits for the end of the turn, or for data, and takes END_STREAM if `sendEnd` has come.
   *
   * @param list names and values in turn, pseudo-headers first; not changed afterwards
   * @param isFinal false: an interim response
   */
  sendHead(list: readonly string[], isFinal: boolean): void {
    if (this.#maySend) this.connection.sender.head(this, list, isFinal)
  }

  /**
   * Sends a piece of the body, after a final `sendHead`. False when flow control or the connection holds it back: send no more
   * until `onWritable`. The piece must not change until `isFlushed`.
   */
  sendData(chunk: Uint8Array): boolean {
    return !this.#maySend || chunk.length === 0 || this.connection.sender.data(this, chunk)
  }

  /** Ends this direction, after the data that is held back. */
  sendEnd(trailers?: readonly string[]): void {
    if (this.#maySend) this.connection.sender.end(this, trailers)
  }

  get #maySend(): boolean {
    return this.isOpen && !this.isEnding && this.connection.isOpen
  }

  /**
   * Ends the stream in both directions with RST_STREAM; drops what was held back and what was not
   * taken. No call follows, but for an `onFlushed` that is due.
   */
  reset(code: ErrorCode): void {
    this.drop()
    if (this.isOpen) this.connection.resetStream(this, code)
  }

  /** No `onData`, `onEndStream` and trailers until `resume`: what arrives is kept, at most a window. */
  pause(): void {
    this.#isPaused = true
  }

  /** Ends `pause`; what was kept is passed on before it returns. */
  resume(): void {
    this.#isPaused = false
    this.#pass()
  }

  /** Whether no piece passed to `sendData` is used any more. */
  get isFlushed(): boolean {
    return this.unsent === 0
  }

  /** Whether the window of the stream, or that of the connection, holds back some of what was passed to `sendData`. */
  get isHeldBack(): boolean {
    return this.unsent > 0 && (this.credit <= 0 || this.connection.sender.window <= 0)
  }

  // ── for the connection ─────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * DATA has arrived.
   *
   * @param piece `undefined`: only padding
   * @param padding bytes that count against the windows and carry nothing
   * @returns whether the memory of the piece may be used again; `undefined`: more has arrived than the window allows
   */
  takeData(piece: Buffer | undefined, padding: number): boolean | undefined {
    const size = (piece?.length ?? 0) + padding
    this.#window.left -= size
    if (this.#window.left < 0) {
      this.connection.giveCredit(size)
      return undefined
    }
    if (padding > 0) this.#giveCredit(padding)
    if (piece === undefined) {
      this.onEmptyData()
      return true
    }
    if (this.#isHeld) {
      this.#kept ??= new PieceQueue()
      return this.#kept.push(piece)
    }
    this.#isPassing = true
    const isConsumed = this.onData(piece) === CONSUMED
    this.#isPassing = false
    this.#giveCredit(piece.length)
    if (this.#kept !== undefined) this.#pass()
    return isConsumed
  }

  takeFields(list: string[], isEnd: boolean): void {
    if (this.#isDropped) return
    if (isEnd && this.#isHeld) this.#keptFields = list
    else this.onFields(list, isEnd)
  }

  /** END_STREAM has arrived. */
  takeEnd(): void {
    if (this.#isDropped) return
    this.#isEndDue = true
    if (!this.#isHeld) this.#tellEnd()
  }

  get #isHeld(): boolean {
    return this.#isPaused || this.#isPassing || this.#keptLength > 0
  }

  get #keptLength(): number {
    return this.#kept?.length ?? 0
  }

  /** Passes on what was kept. Never nests. */
  #pass(): void {
    if (this.#isPassing) return
    this.#isPassing = true
    while (!this.#isPaused && this.#keptLength > 0) {
      const piece = this.#kept!.shift()!
      this.onData(piece)
      this.#giveCredit(piece.length)
    }
    this.#isPassing = false
    if (this.#isHeld) return
    this.#kept = undefined
    const fields = this.#keptFields
    this.#keptFields = undefined
    if (fields !== undefined) this.onFields(fields, true)
    if (this.#isEndDue && !this.#isPaused) this.#tellEnd()
  }

  #tellEnd(): void {
    this.#isEndDue = false
    this.onEndStream()
  }

  /** The subclass has taken bytes. The window grows while it keeps up. */
  #giveCredit(count: number): void {
    const { connection } = this
    connection.giveCredit(count)
    if (!this.isOpen || this.hasEnded) return
    const credit = this.#window.take(count)
    if (credit === 0) return
    const more = this.#isPaused || this.#keptLength > 0 ? 0 : connection.growth(this.#window.size)
    this.#window.grow(more)
    connection.sender.windowUpdate(this.id, credit + more)
  }

  /** Bytes by which the window has grown. */
  get grown(): number {
    return this.#window.size - initialWindow
  }

  /** Drops what was kept and what is held back; nothing more is passed on. */
  drop(): void {
    const { connection } = this
    if (this.#keptLength > 0) connection.giveCredit(this.#keptLength)
    this.#kept = undefined
    this.#keptFields = undefined
    this.#isEndDue = false
    this.#isDropped = true
    this.head = undefined
    this.queue = undefined
    this.unsent = 0
    this.wantsRoom = false
  }
}
