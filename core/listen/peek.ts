import type { ByteReceiver, ByteStream } from '../net/byte-stream.ts'
import { type Expiring, WheelTimer } from '../net/timer-wheel.ts'

/** Understands the first bytes of a connection. It bounds how many it takes, and every byte may come alone. */
export interface PeekReader<Result> {
  /** @param bytes that have arrived since the last call; it may keep them. @returns `undefined`: more are needed */
  push(bytes: Buffer): Result | undefined
  /** What has arrived and belongs to the next receiver; read once, when there is a result. */
  readonly rest: Buffer
  /** The client sends no more (FIN). Without this method, or a result of it, the connection ends. */
  end?(): Result | undefined
}

/** Follows a peek. Exactly one of the methods is called, once, and not if it is aborted. */
export interface PeekOwner<Result> {
  /** The stream has no receiver, and holds what the reader has left. */
  onPeeked(result: Result): void
  /** The connection is closed: the client has left, or its time is over. */
  onGone(isLate: boolean): void
}

/** Reads the first bytes of a stream within a time, and gives back those that its reader does not consume. */
export class Peek<Result> implements ByteReceiver, Expiring {
  readonly stream: ByteStream
  /** The client has sent a byte. */
  hasSpoken = false
  readonly #reader: PeekReader<Result>
  readonly #owner: PeekOwner<Result>
  readonly #timer = new WheelTimer(this)
  #isOver = false

  /**
   * @param stream not started
   * @param limit until there is a result, ms
   */
  constructor(stream: ByteStream, limit: number, reader: PeekReader<Result>, owner: PeekOwner<Result>) {
    this.stream = stream
    this.#reader = reader
    this.#owner = owner
    this.#timer.arm(Math.max(1, limit))
    stream.start(this)
  }

  onBytes(bytes: Buffer, borrowed: boolean): boolean {
    this.hasSpoken = true
    this.#decide(this.#reader.push(borrowed ? Buffer.from(bytes) : bytes))
    return borrowed
  }

  onEnd(): void {
    const result = this.#reader.end?.()
    if (result === undefined) this.stream.destroy()
    else this.#decide(result)
  }

  onDrain(): void {}

  onError(): void {}

  onClose(): void {
    if (this.#end()) this.#owner.onGone(false)
  }

  onTimeout(): void {
    if (!this.#end()) return
    this.stream.destroy()
    this.#owner.onGone(true)
  }

  /** Ends the connection immediately. */
  abort(): void {
    if (this.#end()) this.stream.destroy()
  }

  #decide(result: Result | undefined): void {
    if (result === undefined || !this.#end()) return
    const { rest } = this.#reader
    if (rest.length > 0) this.stream.giveBack(rest)
    this.#owner.onPeeked(result)
  }

  /** False: it is over already. */
  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#timer.disarm()
    this.stream.leave()
    return true
  }
}
