import { type ByteStream, maxUnsent } from '../net/byte-stream.ts'
import { DATA, END_STREAM, initialWindow, maxFrame } from './frames.ts'
import { HpackEncoder, maxTable } from './hpack-encoder.ts'
import { Output } from './output.ts'
import type { Http2Stream } from './stream.ts'

/** What a sender needs of its connection. */
export interface SenderOwner {
  /** A stream without an id gets one: its head is about to be written. */
  give(stream: Http2Stream): void
  /** END_STREAM has been written. */
  ended(stream: Http2Stream): void
  /** Calls `Sender.turn` at the end of the turn. */
  schedule(): void
}

/**
 * The sending side of a connection: heads that wait for the end of their turn, data in turn from all streams that have some,
 * as far as the windows and the transport take it.
 */
export class Sender {
  readonly output: Output
  /** Credit of the connection. */
  window: number = initialWindow
  /** DATA frames that have been written, for `takeFrames`. */
  #frames = 0
  /** Streams that have ended and whose end is not with the kernel. */
  readonly finished: Http2Stream[] = []
  readonly #owner: SenderOwner
  readonly #transport: ByteStream
  #encoder: HpackEncoder | undefined
  /** Streams whose head waits, and some whose head no longer does. */
  #heads: Http2Stream[] = []
  /** Streams with data and credit, the next one first. */
  readonly #ready = new Set<Http2Stream>()
  /** The transport takes no more data until it has drained. */
  #isBlocked = false

  constructor(owner: SenderOwner, transport: ByteStream) {
    this.#owner = owner
    this.#transport = transport
    this.output = new Output(transport)
  }

  get #hpack(): HpackEncoder {
    this.#encoder ??= new HpackEncoder()
    return this.#encoder
  }

  /** SETTINGS_HEADER_TABLE_SIZE of the peer. */
  limitTable(size: number): void {
    // Many connections never send a head: no encoder for the default.
    if (this.#encoder !== undefined || size < maxTable) this.#hpack.limit(size)
  }

  // ── for streams ────────────────────────────────────────────────────────────────────────────────────────────────────

  head(stream: Http2Stream, list: readonly string[], isFinal: boolean): void {
    if (stream.hasHead) return
    this.#owner.schedule()
    if (!isFinal) {
      this.output.block(this.#hpack, list, stream.id, false)
      return
    }
    stream.hasHead = true
    stream.head = list
    this.#heads.push(stream)
  }

  data(stream: Http2Stream, chunk: Uint8Array): boolean {
    if (stream.head !== undefined) this.#writeHead(stream, false)
    this.#owner.schedule()
    let sent = 0
    // Data that nothing holds back is copied now, so that the memory of the chunk is free when this returns.
    if (stream.unsent === 0 && this.#ready.size === 0) {
      while (sent < chunk.length) {
        const count = Math.min(chunk.length - sent, this.#room(stream))
        if (count <= 0) break
        this.#frame(stream, count, 0)
        this.output.bytes(chunk, sent, sent + count)
        sent += count
        this.#flushFull()
      }
      if (sent === chunk.length) return true
    }
    if (stream.unsent === 0) stream.queueAt = sent
    stream.queue ??= []
    stream.queue.push(chunk)
    stream.unsent += chunk.length - sent
    stream.wantsRoom = true
    if (stream.credit > 0) this.#ready.add(stream)
    return false
  }

  end(stream: Http2Stream, trailers: readonly string[] | undefined): void {
    stream.isEnding = true
    stream.trailers = trailers
    this.#owner.schedule()
    if (stream.unsent === 0) this.#writeEnd(stream)
  }

  /** The stream is closed. */
  forget(stream: Http2Stream): void {
    this.#ready.delete(stream)
  }

  /** The stream is told that it was reset, so not that it is flushed. */
  unfinish(stream: Http2Stream): void {
    if (!stream.isEnded) return
    const at = this.finished.indexOf(stream)
    if (at >= 0) this.finished.splice(at, 1)
  }

  /** The peer has given credit, or taken some back. */
  credited(stream: Http2Stream): void {
    if (stream.credit <= 0) this.#ready.delete(stream)
    else if (stream.unsent > 0) {
      this.#ready.add(stream)
      this.#owner.schedule()
    }
  }

  windowUpdate(id: number, increment: number): void {
    this.output.windowUpdate(id, increment)
    this.#owner.schedule()
  }

  // ── for the connection ─────────────────────────────────────────────────────────────────────────────────────────────

  /** DATA frames since the last call: they explain frames of the peer. */
  takeFrames(): number {
    const frames = this.#frames
    this.#frames = 0
    return frames
  }

  /** The end of a turn: writes what waits, and hands it to the transport. */
  turn(): void {
    do {
      this.#writeHeads()
      this.#pump()
      this.flush()
      // What has been told of its end may have written more.
    } while (this.output.at > 0 || this.#heads.length > 0)
  }

  flush(): void {
    this.output.flush()
    const { unsent } = this.#transport
    if (unsent >= maxUnsent) this.#isBlocked = true
    if (unsent > 0 && (this.#isBlocked || this.finished.length > 0)) this.#transport.askDrain()
    else this.tellFinished()
  }

  /** The kernel has taken everything. */
  drained(): void {
    this.#isBlocked = false
    this.output.answered = 0
    this.tellFinished()
    this.turn()
  }

  /** Tells streams whose end is with the kernel. */
  tellFinished(): void {
    if (this.finished.length === 0 || this.#transport.hasFailed || !this.#transport.isOpen) return
    for (const stream of this.finished.splice(0)) stream.onFlushed()
  }

  #writeHeads(): void {
    const heads = this.#heads
    if (heads.length === 0) return
    this.#heads = []
    for (const stream of heads) {
      if (stream.head !== undefined) this.#writeHead(stream, false)
    }
  }

  /** Sends data of the streams in turn, a frame of each. */
  #pump(): void {
    for (;;) {
      if (this.#isBlocked || this.window <= 0) return
      const next = this.#ready.values().next()
      if (next.done) return
      const stream = next.value
      this.#ready.delete(stream)
      this.#sendQueued(stream, Math.min(stream.unsent, this.#room(stream)))
      this.#flushFull()
      if (stream.unsent > 0) {
        if (stream.credit > 0) this.#ready.add(stream)
      } else if (stream.wantsRoom && !stream.isEnding) {
        stream.wantsRoom = false
        stream.onWritable()
      }
    }
  }

  #sendQueued(stream: Http2Stream, count: number): void {
    const isLast = count === stream.unsent && stream.isEnding
    this.#frame(stream, count, isLast && stream.trailers === undefined ? END_STREAM : 0)
    const queue = stream.queue!
    let left = count
    while (left > 0) {
      const piece = queue[0]!
      const part = Math.min(left, piece.length - stream.queueAt)
      this.output.bytes(piece, stream.queueAt, stream.queueAt + part)
      stream.queueAt += part
      left -= part
      if (stream.queueAt === piece.length) {
        queue.shift()
        stream.queueAt = 0
      }
    }
    stream.unsent -= count
    if (stream.unsent === 0) stream.queue = undefined
    if (!isLast) return
    if (stream.trailers === undefined) this.#ended(stream)
    else this.#writeEnd(stream)
  }

  /** Bytes of data that a frame of the stream may carry now. */
  #room(stream: Http2Stream): number {
    return this.#isBlocked ? 0 : Math.min(maxFrame, this.window, stream.credit)
  }

  #frame(stream: Http2Stream, count: number, flags: number): void {
    this.#frames++
    this.window -= count
    stream.credit -= count
    stream.frameAt = this.output.frame(DATA, flags, stream.id, count)
    stream.frameTurn = this.output.turn
  }

  #flushFull(): void {
    if (!this.output.isFull) return
    this.output.flush()
    if (this.#transport.unsent < maxUnsent) return
    this.#isBlocked = true
    this.#transport.askDrain()
  }

  #writeHead(stream: Http2Stream, isEnd: boolean): void {
    const list = stream.head!
    stream.head = undefined
    this.#owner.give(stream)
    stream.frameAt = this.output.block(this.#hpack, list, stream.id, isEnd)
    stream.frameTurn = this.output.turn
  }

  #writeEnd(stream: Http2Stream): void {
    const { trailers, head } = stream
    if (head !== undefined) this.#writeHead(stream, trailers === undefined)
    if (trailers !== undefined) this.output.block(this.#hpack, trailers, stream.id, true)
    else if (head === undefined) {
      if (stream.frameTurn === this.output.turn) this.output.endStream(stream.frameAt)
      else this.output.emptyEnd(stream.id)
    }
    this.#ended(stream)
  }

  #ended(stream: Http2Stream): void {
    stream.isEnded = true
    this.finished.push(stream)
    this.#owner.ended(stream)
  }
}
