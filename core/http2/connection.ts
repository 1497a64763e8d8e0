import { afterRead, type Deferred } from '../net/after-read.ts'
import type { ByteReceiver, ByteStream } from '../net/byte-stream.ts'
import { Budget, type Kind, limits, RESETS } from './budget.ts'
import { ENDED, OURS, THEIRS } from './closed-streams.ts'
import { connectionWindow, growth, largestWindow, ReceiveWindow } from './flow-window.ts'
import { FrameReader } from './frame-reader.ts'
import { ErrorCode, initialWindow, max31, maxFrame, nameOfCode, preface } from './frames.ts'
import { Receiver } from './receiver.ts'
import { Sender } from './sender.ts'
import { clientSettings, defaultSettings, type PeerSettings, serverSettings } from './settings.ts'
import type { Http2Stream } from './stream.ts'
import { StreamTable } from './stream-table.ts'

/** Most bytes of answers to frames of a peer that does not read them. */
const maxAnswered = 64 * 1024

/** Unsent bytes from which nothing is read: heads of responses that the peer does not read are not held back by a window. */
const maxHeld = 256 * 1024

/** Longest text in GOAWAY, bytes. */
const maxProblem = 200

/**
 * An HTTP/2 connection, either side (RFC 9113): frames, header compression, flow control, the states of streams, and budgets
 * for all that a peer can do for nothing. Whatever is written during a turn leaves in one write at its end. A subclass says
 * what streams are, and owns the timers. Its hooks are never called inside its own calls, but for `fail`, `close` and
 * `Http2Stream.resume`.
 */
export abstract class Http2Connection implements ByteReceiver, Deferred {
  readonly transport: ByteStream
  /** Those that are not closed, by id. */
  readonly streams: ReadonlyMap<number, Http2Stream>
  readonly isServer: boolean
  /** What the peer's SETTINGS say; the defaults of RFC 9113 before they come. */
  peer: PeerSettings = defaultSettings
  /** The peer's first SETTINGS have come. */
  hasSettings = false
  /** It has neither failed nor been closed, and no FIN has come. */
  isOpen = true
  /** For streams. */
  readonly sender: Sender
  readonly budget: Budget = new Budget()
  readonly table: StreamTable
  readonly #reader = new FrameReader()
  protected readonly receiver: Receiver = new Receiver(this, this.#reader)
  /** The window of the connection. */
  readonly window: ReceiveWindow = new ReceiveWindow(connectionWindow)
  /** By how much the windows of the open streams have grown. */
  #grown = 0
  #hasSentGoaway = false
  #isGoingAway = false
  /** Bytes of the preface that have arrived. */
  #prefaced: number
  /** The connection error that follows the current frame, or turn. */
  #verdict: readonly [code: ErrorCode, problem: string] | undefined
  #isScheduled = false
  #isHalted = false
  #failure: Error | undefined
  #pings: (() => void)[] | undefined
  /** Counts the PINGs that were sent and answered: the payload of each. */
  #pinged = 0
  #ponged = 0

  /** @param transport not started: see `start` */
  constructor(transport: ByteStream, isServer: boolean) {
    this.transport = transport
    this.isServer = isServer
    this.table = new StreamTable(isServer)
    this.streams = this.table.open
    this.sender = new Sender(this, transport)
    this.#prefaced = isServer ? 0 : preface.length
  }

  /** Sends the SETTINGS (a client the preface, too), and reads. Called once, when the subclass is ready. */
  protected start(): void {
    const { output } = this.sender
    if (!this.isServer) {
      output.reserve(preface.length)
      output.bytes(preface, 0, preface.length)
    }
    output.settings(this.isServer ? serverSettings : clientSettings)
    output.windowUpdate(0, connectionWindow - initialWindow)
    this.schedule()
    this.transport.start(this)
  }

  /** Streams that are open, and those whose head waits for the end of the turn: to be kept below the limit of the peer. */
  get active(): number {
    return this.table.size
  }

  /** A client: neither GOAWAY nor the end of ids forbids another stream. The peer's limit is the subclass's to keep. */
  get canOpen(): boolean {
    return this.isOpen && !this.#isGoingAway && this.table.hasIds
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
  /** A stream has been closed; once for each. */
  protected onStreamClosed(_stream: Http2Stream): void {}
  /** The transport is closed; the last call, after `onOver`. */
  protected onClosed(): void {}

  // ── for the subclass ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends GOAWAY. New streams above `lastId` are ignored from now on.
   *
   * @param lastId default: the highest stream that has been seen
   */
  goaway(code: ErrorCode, lastId: number = this.table.lastId): void {
    if (!this.isOpen) return
    this.table.ignoredAbove = Math.min(lastId, this.table.ignoredAbove)
    this.#hasSentGoaway = true
    this.sender.output.goaway(lastId, code, '')
    this.schedule()
  }

  /** A connection error: sends GOAWAY with the code, tells all streams, and ends the transport; the subclass destroys it later. */
  fail(code: ErrorCode, problem: string): void {
    if (!this.isOpen) return
    this.sender.output.goaway(this.table.lastId, code, problem.slice(0, maxProblem))
    this.#finish(new Error(`${nameOfCode(code)}: ${problem}`))
  }

  /** Sends GOAWAY with NO_ERROR unless one has been sent, tells streams that are left, and ends the transport. */
  close(): void {
    if (!this.isOpen) return
    if (!this.#hasSentGoaway) this.goaway(ErrorCode.NO_ERROR)
    this.#finish(undefined)
  }

  /** Sends PING; `done` is called when its answer has come, never after `onOver`. */
  ping(done: () => void): void {
    if (!this.isOpen) return
    this.#pings ??= []
    this.#pings.push(done)
    this.sender.output.ping(0, this.#pinged++)
    this.schedule()
  }

  /** Writes to the transport now instead of at the end of the turn. */
  flush(): void {
    if (this.isOpen) this.sender.turn()
  }

  // ── for streams, `Sender` and `Receiver` ───────────────────────────────────────────────────────────────────────────

  give(stream: Http2Stream): void {
    this.table.give(stream)
  }

  ended(stream: Http2Stream): void {
    if (stream.hasEnded) this.#leave(stream, ENDED)
  }

  /** END_STREAM has arrived, and `hasEnded` is set. */
  endedByPeer(stream: Http2Stream): void {
    stream.takeEnd()
    if (stream.isEnded) this.#leave(stream, ENDED)
  }

  resetStream(stream: Http2Stream, code: ErrorCode): void {
    if (stream.id > 0 && this.isOpen) this.refuseStream(stream.id, code)
    this.#leave(stream, OURS)
  }

  /** RST_STREAM of the peer. */
  resetByPeer(stream: Http2Stream, code: ErrorCode): void {
    if (this.isServer && !stream.hasHead) this.spend(RESETS)
    this.#cut(stream, THEIRS, code)
  }

  /** A stream error: a frame of the peer is wrong. */
  failStream(stream: Http2Stream, code: ErrorCode, problem: string): void {
    if (!stream.isOpen) return
    this.refuseStream(stream.id, code)
    this.#cut(stream, OURS, code, new Error(`${nameOfCode(code)}: ${problem}`))
  }

  /** Sends RST_STREAM. One that a client has caused counts: else it could have any number of requests begun. */
  refuseStream(id: number, code: ErrorCode): void {
    this.table.closed.note(id, OURS)
    this.sender.output.rst(id, code)
    this.schedule()
    const isBlamed = code !== ErrorCode.NO_ERROR && code !== ErrorCode.INTERNAL_ERROR && code !== ErrorCode.CANCEL
    if (this.isServer && isBlamed) this.spend(RESETS)
  }

  /** Counts what the peer does for nothing. */
  spend(kind: Kind, count: number = 1): void {
    if (this.budget.spend(kind, count)) return
    const { name, burst, rate } = limits[kind]!
    this.condemn(ErrorCode.ENHANCE_YOUR_CALM, `too many ${name}: more than ${burst}, and then ${rate} a second`)
  }

  /** `fail`, once the current frame or turn has been processed. */
  condemn(code: ErrorCode, problem: string): void {
    this.#verdict ??= [code, problem]
    this.schedule()
  }

  /** Bytes of the window of the connection are free again. */
  giveCredit(count: number): void {
    const credit = this.window.take(count)
    if (credit > 0 && this.isOpen) this.sender.windowUpdate(0, credit)
  }

  /** By how much a window of this size may grow now. */
  growth(size: number): number {
    const more = Math.max(0, Math.min(size, largestWindow - size, growth - this.#grown))
    this.#grown += more
    return more
  }

  /** A server: a header block on an idle stream. */
  opened(id: number, list: string[] | undefined, isEnd: boolean): void {
    const { table } = this
    if (!table.use(id)) return
    if (table.isFull(this.sender.finished)) return this.refuseStream(id, ErrorCode.REFUSED_STREAM)
    table.opensEnded = isEnd
    const opened = this.open(id, list, isEnd)
    if (typeof opened === 'number') this.refuseStream(id, opened)
  }

  settings(peer: PeerSettings): void {
    const change = peer.initialWindow - this.peer.initialWindow
    for (const size of peer.tableSizes) this.sender.limitTable(size)
    this.peer = peer
    this.hasSettings = true
    this.sender.output.settingsAck()
    this.schedule()
    if (change !== 0 && !this.#changeWindows(change)) return
    this.onSettings()
  }

  /** RFC 9113 §6.9.2: the change holds for streams that are open, too. */
  #changeWindows(change: number): boolean {
    for (const stream of this.table.all()) {
      stream.credit += change
      if (stream.credit > max31) {
        this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'SETTINGS_INITIAL_WINDOW_SIZE makes a window larger than 2^31-1')
        return false
      }
      this.sender.credited(stream)
    }
    return true
  }

  goneAway(lastId: number, code: ErrorCode): void {
    this.#isGoingAway = true
    if (!this.isServer) {
      for (const stream of this.table.all()) {
        if (stream.id > lastId || stream.id === 0) this.#cut(stream, OURS, ErrorCode.REFUSED_STREAM)
      }
    }
    this.onGoaway(lastId, code)
  }

  /** A PING has been answered; `false`: no PING had this payload. */
  ponged(high: number, low: number): boolean {
    if (high !== 0 || low !== this.#ponged || this.#pings === undefined || this.#pings.length === 0) return false
    this.#ponged++
    this.#pings.shift()!()
    return true
  }

  // ── for the transport ──────────────────────────────────────────────────────────────────────────────────────────────

  onBytes(bytes: Buffer, borrowed: boolean): boolean {
    if (!this.isOpen) return true
    const reader = this.#reader
    reader.push(bytes, borrowed)
    if (this.#prefaced < preface.length) this.#readPreface()
    while (this.isOpen && this.#prefaced === preface.length) {
      const { length } = reader
      if (length < 0) break
      if (length > maxFrame) {
        this.fail(ErrorCode.FRAME_SIZE_ERROR, `a frame has ${length} bytes; the limit is ${maxFrame}`)
        break
      }
      if (!reader.next(length)) break
      this.receiver.frame()
      if (this.sender.output.answered > maxAnswered) {
        this.condemn(ErrorCode.ENHANCE_YOUR_CALM, `${maxAnswered} bytes of answers to its frames are unread`)
      }
      this.#judge()
    }
    return reader.settle(this.isOpen)
  }

  #readPreface(): void {
    while (this.#prefaced < preface.length) {
      const byte = this.#reader.byte()
      if (byte === -1) return
      if (byte !== preface[this.#prefaced]) return this.fail(ErrorCode.PROTOCOL_ERROR, 'no HTTP/2 preface')
      this.#prefaced++
    }
  }

  #judge(): void {
    if (this.#verdict !== undefined) this.fail(this.#verdict[0], this.#verdict[1])
  }

  schedule(): void {
    if (this.#isScheduled || !this.isOpen) return
    this.#isScheduled = true
    afterRead(this)
  }

  runDeferred(): void {
    if (this.isOpen) this.#judge()
    if (this.isOpen) this.sender.turn()
    this.#isScheduled = false
    if (!this.isOpen || this.#isHalted || this.transport.unsent <= maxHeld) return
    this.#isHalted = true
    this.transport.pause()
    this.transport.askDrain()
  }

  onDrain(): void {
    this.#proceed()
    if (this.isOpen) this.sender.drained()
    else this.sender.tellFinished()
  }

  #proceed(): void {
    if (!this.#isHalted) return
    this.#isHalted = false
    this.transport.resume()
  }

  onEnd(): void {
    this.#finish(undefined)
  }

  onError(cause: NodeJS.ErrnoException): void {
    this.#failure = cause
    if (cause.syscall !== 'write') return
    // All that the peer sent before, GOAWAY perhaps, is with the kernel: it is read in the next turn of the loop.
    setImmediate(() => setImmediate(() => this.transport.destroy()))
  }

  onClose(): void {
    this.#finish(this.#failure)
    for (const stream of this.sender.finished.splice(0)) {
      if (this.transport.isFinished) stream.onFlushed()
      else stream.onReset(undefined, this.#failure)
    }
    this.onClosed()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The stream is closed. */
  #leave(stream: Http2Stream, why: number): void {
    if (!stream.isOpen) return
    stream.isOpen = false
    this.table.leave(stream, why)
    this.#grown -= stream.grown
    this.sender.forget(stream)
    this.onStreamClosed(stream)
  }

  /** The stream is closed before it has ended, and is told. */
  #cut(stream: Http2Stream, why: number, code: ErrorCode | undefined, cause?: Error): void {
    if (!stream.isOpen) return
    stream.drop()
    this.sender.unfinish(stream)
    this.#leave(stream, why)
    stream.onReset(code, cause)
  }

  #finish(problem: Error | undefined): void {
    if (!this.isOpen) return
    this.sender.flush()
    this.isOpen = false
    this.#pings = undefined
    this.#proceed()
    this.transport.end()
    for (const stream of this.table.all()) this.#cut(stream, OURS, undefined, problem)
    this.onOver(problem)
  }
}
