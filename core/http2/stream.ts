import type { Consumed } from '../http/exchange.ts'
import type { Http2Connection } from './connection.ts'
import type { ErrorCode } from './frames.ts'

/**
 * One stream of an HTTP/2 connection: both directions, with their flow control. What its messages mean is up to the subclass,
 * which the connection tells of everything that arrives. Every method may be called from inside any of its calls, and does
 * nothing once the stream is closed.
 */
export abstract class Http2Stream {
  readonly connection: Http2Connection
  /** 0: a stream of this client whose head has not been written yet. */
  id: number

  /** @param id as given to `open`; of a client's stream 0: it gets its id when its head is written */
  constructor(connection: Http2Connection, id: number) {
    this.connection = connection
    this.id = id
  }

  // ── what arrives ───────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * A header block after that of `open`: the trailers of a request (always `isEnd`); of a response its heads and trailers. In
   * order with the data. `onEndStream` follows if `isEnd`.
   *
   * @param list names and values in turn, not checked
   */
  abstract onFields(list: string[], isEnd: boolean): void
  /** The header list is larger than `maxList`; the stream is reset unless the subclass has overridden this. */
  onTooLong(): void {
    throw new Error('not built yet')
  }
  /** A piece of the body, never empty. It belongs to the subclass, unless it returns `CONSUMED`. */
  abstract onData(piece: Buffer): Consumed | void
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
  /** The whole of this direction, END_STREAM included, is with the kernel. `onReset` may still follow while the peer's is open. */
  onFlushed(): void {}

  // ── for the subclass ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a head. A final one waits for the end of the turn, or for data, and takes END_STREAM if `sendEnd` has come.
   *
   * @param list names and values in turn, pseudo-headers first; not changed afterwards
   * @param isFinal false: an interim response
   */
  sendHead(_list: readonly string[], _isFinal: boolean): void {
    throw new Error('not built yet')
  }

  /**
   * Sends a piece of the body, after a final `sendHead`. False when flow control or the connection holds it back: send no more
   * until `onWritable`. The piece must not change until `isFlushed`.
   */
  sendData(_chunk: Uint8Array): boolean {
    throw new Error('not built yet')
  }

  /** Ends this direction, after the data that is held back. */
  sendEnd(_trailers?: readonly string[]): void {
    throw new Error('not built yet')
  }

  /** Ends the stream in both directions with RST_STREAM; drops what was held back and what was not taken. No `onReset` follows. */
  reset(_code: ErrorCode): void {
    throw new Error('not built yet')
  }

  /** No `onData`, `onEndStream` and trailers until `resume`: what arrives is kept, at most a window. */
  pause(): void {
    throw new Error('not built yet')
  }

  /** Ends `pause`; what was kept is passed on before it returns. */
  resume(): void {
    throw new Error('not built yet')
  }

  /** Whether no piece passed to `sendData` is used any more. */
  get isFlushed(): boolean {
    throw new Error('not built yet')
  }

  /** Bytes of pieces that are held back. */
  get unsent(): number {
    throw new Error('not built yet')
  }

  /** Neither reset nor ended in both directions. */
  get isOpen(): boolean {
    throw new Error('not built yet')
  }

  /** The peer has ended its direction, though perhaps not all has been passed on. */
  get hasEnded(): boolean {
    throw new Error('not built yet')
  }

  /** This side has ended its direction. */
  get isEnded(): boolean {
    throw new Error('not built yet')
  }
}
