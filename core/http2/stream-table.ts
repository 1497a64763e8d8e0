import { ClosedStreams, OURS } from './closed-streams.ts'
import { max31, maxStreams } from './frames.ts'
import type { Http2Stream } from './stream.ts'

/** The streams of a connection, and what their ids say: clients' are odd and rise (RFC 9113 §5.1.1). */
export class StreamTable {
  /** Those that are not closed, by id. */
  readonly open: Map<number, Http2Stream> = new Map()
  readonly closed: ClosedStreams = new ClosedStreams()
  /** A server: highest id that was not ignored. */
  lastId = 0
  /** A server that has sent GOAWAY: streams above are ignored. */
  ignoredAbove: number = max31
  /** The stream that is being opened has no body. */
  opensEnded = false
  readonly #isServer: boolean
  /** Streams of a client whose head has not been written. */
  readonly #unborn: Set<Http2Stream> = new Set()
  #nextId = 1
  /** A server: highest id that the peer has used. */
  #highest = 0

  constructor(isServer: boolean) {
    this.#isServer = isServer
  }

  /** Streams that are open, and those whose head waits for the end of the turn. */
  get size(): number {
    return this.open.size + this.#unborn.size
  }

  /** A client: whether there are ids left. */
  get hasIds(): boolean {
    return this.#nextId + 2 * this.#unborn.size <= max31
  }

  all(): Http2Stream[] {
    return [...this.open.values(), ...this.#unborn]
  }

  /** A stream has been made. */
  enter(stream: Http2Stream): void {
    if (stream.id === 0) this.#unborn.add(stream)
    else {
      stream.hasEnded = this.opensEnded
      this.open.set(stream.id, stream)
    }
  }

  /** Gives a stream of a client its id. */
  give(stream: Http2Stream): void {
    if (stream.id !== 0) return
    stream.id = this.#nextId
    this.#nextId += 2
    this.#unborn.delete(stream)
    this.open.set(stream.id, stream)
  }

  leave(stream: Http2Stream, why: number): void {
    this.#unborn.delete(stream)
    if (stream.id === 0) return
    this.open.delete(stream.id)
    this.closed.note(stream.id, why)
  }

  /** Whether the peer may not yet have used this id. */
  isIdle(id: number): boolean {
    return id % 2 === 0 || (this.#isServer ? id > this.#highest : id >= this.#nextId)
  }

  /** A server: the peer uses an idle stream. False: it is ignored because of a GOAWAY. */
  use(id: number): boolean {
    this.#highest = id
    if (id > this.ignoredAbove) this.closed.note(id, OURS)
    else this.lastId = id
    return this.lastId === id
  }

  /**
   * Whether the peer has as many streams as it may. Those whose end has not left count, since the peer cannot know of it: one
   * that does not read gets no more.
   */
  isFull(finished: readonly Http2Stream[]): boolean {
    if (this.open.size + finished.length < maxStreams) return false
    return this.open.size + finished.filter(({ isOpen }) => !isOpen).length >= maxStreams
  }
}
