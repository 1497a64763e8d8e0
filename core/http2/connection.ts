import type { Deferred } from '../net/after-read.ts'
import type { ByteReceiver, ByteStream } from '../net/byte-stream.ts'
import type { ErrorCode } from './frames.ts'
import type { PeerSettings } from './settings.ts'
import type { Http2Stream } from './stream.ts'

/**
 * An HTTP/2 connection, either side (RFC 9113): frames, header compression, flow control, the states of streams, and budgets
 * for all that a peer can do for nothing. Whatever is written during a turn leaves in one write at its end. A subclass says
 * what streams are, and owns the timers. Calls of the hooks never nest in calls of the subclass's own, but for those of
 * `Http2Stream.resume`, and those of `fail`.
 */
export abstract class Http2Connection implements ByteReceiver, Deferred {
  readonly transport: ByteStream
  /** Those that are not closed, by id. */
  readonly streams: Map<number, Http2Stream> = new Map()
  readonly isServer: boolean

  /** @param transport not started: see `start` */
  constructor(transport: ByteStream, isServer: boolean) {
    this.transport = transport
    this.isServer = isServer
  }

  /** Sends the SETTINGS (a client the preface, too), and reads. Called once, when the subclass is ready. */
  protected start(): void {
    throw new Error('not built yet')
  }

  /** What the peer's SETTINGS say; the defaults of RFC 9113 before they come. */
  get peer(): PeerSettings {
    throw new Error('not built yet')
  }

  /** The peer's first SETTINGS have come. */
  get hasSettings(): boolean {
    throw new Error('not built yet')
  }

  /** Streams that are open, and those whose head waits for the end of the turn: to be kept below the limit of the peer. */
  get active(): number {
    throw new Error('not built yet')
  }

  /** It has neither failed nor been closed, and no FIN has come. */
  get isOpen(): boolean {
    throw new Error('not built yet')
  }

  /** A client: neither GOAWAY nor the end of ids forbids another stream. The peer's limit is the subclass's to keep. */
  get canOpen(): boolean {
    throw new Error('not built yet')
  }

  /** Highest stream id of the peer that was not ignored. */
  get lastId(): number {
    throw new Error('not built yet')
  }

  // ── for the subclass to fill in ────────────────────────────────────────────────────────────────────────────────────

  /**
   * A server: the header block of a new stream. Returns the stream, which may already have been answered, or the code to
   * refuse it with.
   *
   * @param list names and values in turn, not checked; `undefined`: larger than `maxList`
   * @param isEnd no body follows; `onEndStream` is not called
   */
  protected abstract open(id: number, list: string[] | undefined, isEnd: boolean): Http2Stream | ErrorCode
  /** GOAWAY of the peer. Streams above `lastId` have been told before (`onReset` with REFUSED_STREAM). */
  protected abstract onGoaway(lastId: number, code: ErrorCode): void
  /** SETTINGS of the peer have come; see `peer`. */
  protected abstract onSettings(): void
  /** The connection has failed or ended, and all streams have been told; once. What is unsent may still reach the peer. */
  protected abstract onOver(problem: Error | undefined): void
  /** A stream has been closed; called once for each, also for those that end with the connection. */
  protected onStreamClosed(_stream: Http2Stream): void {}
  /** The transport is closed; the last call, after `onOver`. */
  protected onClosed(): void {}

  // ── for the subclass ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends GOAWAY. New streams above `lastId` are ignored from now on.
   *
   * @param lastId default: the highest stream that has been seen
   */
  goaway(_code: ErrorCode, _lastId?: number): void {
    throw new Error('not built yet')
  }

  /** A connection error: sends GOAWAY with the code, tells all streams, and ends the transport; the subclass destroys it later. */
  fail(_code: ErrorCode, _problem: string): void {
    throw new Error('not built yet')
  }

  /** Sends GOAWAY with NO_ERROR unless one has been sent, tells streams that are left, and ends the transport. */
  close(): void {
    throw new Error('not built yet')
  }

  /** Sends PING; `done` is called when its answer has come, never after `onOver`. */
  ping(_done: () => void): void {
    throw new Error('not built yet')
  }

  /** Writes to the transport now instead of at the end of the turn. */
  flush(): void {
    throw new Error('not built yet')
  }

  // ── for the transport ──────────────────────────────────────────────────────────────────────────────────────────────

  onBytes(_bytes: Buffer, _borrowed: boolean): boolean {
    throw new Error('not built yet')
  }

  onEnd(): void {
    throw new Error('not built yet')
  }

  onDrain(): void {
    throw new Error('not built yet')
  }

  onError(_cause: NodeJS.ErrnoException): void {
    throw new Error('not built yet')
  }

  onClose(): void {
    throw new Error('not built yet')
  }

  runDeferred(): void {
    throw new Error('not built yet')
  }
}
