import { CONSUMED, type Consumed } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { Blocks } from './blocks.ts'

/** Where a body comes from. */
export interface BodySource {
  pause(): void
  resume(): void
}

/** Where it goes. */
export interface BodySink {
  /** False when it is slow: stop until `BodyPath.onWritable`. */
  write(chunk: Uint8Array): boolean
  /** Whether the sink no longer uses any chunk that was written. */
  readonly isFlushed: boolean
  end(trailers: Fields | undefined): void
}

/**
 * Changes a chunk, or returns it unchanged, now or later; one chunk at a time, with all that has arrived during the last one.
 * On an error `done` is not called.
 */
export type BodyChange = (chunk: Uint8Array, last: boolean, done: (chunk: Uint8Array) => void) => void

/** What a hold resulted in: the whole body, its beginning, or more bytes than allowed. */
export type Held = 'complete' | 'more' | 'too large'

const nothing = new Uint8Array(0)

/** Longest body that is kept while it is sent, so that it can be sent again, bytes. */
export const maxKept: number = 16 * 1024
/** Most bytes that gather while a chunk is being changed; then the source waits. */
const maxGathered = 64 * 1024

const noSource: BodySource = { pause: (): void => {}, resume: (): void => {} }

/**
 * The path of one body from its source to its sink. The body can be held at the beginning until the policies that asked for
 * it have run, changed chunk by chunk, or replaced; back-pressure reaches the source. Otherwise a chunk is written to the
 * sink immediately.
 */
export class BodyPath {
  readonly #source: BodySource
  #sink: BodySink | undefined
  #change: BodyChange | undefined
  readonly #held = new Blocks()
  #ended = false
  #trailers: Fields | undefined
  #replacedLength: number | undefined
  #changing = false
  #over = false
  /** Copies of what was written to the sink, as long as all of it is kept. */
  #kept: Uint8Array[] | undefined
  #keptSize = 0
  #waiting: { wanted: number; whole: boolean; done: (held: Held) => void } | undefined

  /**
   * @param source `undefined`: the body has arrived, or is set by `replace`.
   * @param arrived the whole body that has arrived. Default: an empty one.
   */
  constructor(source: BodySource | undefined, arrived?: Uint8Array) {
    this.#source = source ?? noSource
    this.#ended = source === undefined
    if (arrived !== undefined && arrived.length > 0) this.#held.add(arrived)
  }

  /** A chunk has arrived. The path, or its sink, keeps it unless this returns `CONSUMED`. */
  take(chunk: Uint8Array): Consumed | undefined {
    if (this.#over || this.#replacedLength !== undefined) return CONSUMED
    if (this.#sink !== undefined && this.#change === undefined && this.#held.size === 0) {
      if (!this.#write(this.#sink, chunk)) this.#source.pause()
      return this.#sink.isFlushed ? CONSUMED : undefined
    }
    const isCopied = this.#held.add(chunk)
    this.#settleHold()
    if (this.#changing) {
      if (this.#held.size >= maxGathered) this.#source.pause()
    } else if (this.#sink !== undefined) this.#move()
    else if (this.#waiting === undefined) this.#source.pause()
    return isCopied ? CONSUMED : undefined
  }

  /** The source has ended. When the body is replaced, the trailers are dropped with it. */
  end(trailers?: Fields): void {
    if (this.#over || this.#replacedLength !== undefined) return
    this.#ended = true
    this.#trailers = trailers
    this.#settleHold()
    if (this.#sink !== undefined) this.#move()
  }

  /** Waits for `wanted` bytes, or, with `whole`, for the end of a body of at most `wanted` bytes. */
  hold(wanted: number, whole: boolean, done: (held: Held) => void): void {
    this.#waiting = { wanted, whole, done }
    this.#settleHold()
    if (this.#waiting !== undefined) this.#source.resume()
  }

  /** The first `most` bytes of what is held, which stays held. */
  peek(most: number): Uint8Array {
    return this.#held.peek(most)
  }

  /** Whether the whole body has arrived. */
  get isComplete(): boolean {
    return this.#ended
  }

  /** Whether the whole body has arrived, and can be kept. */
  get isShort(): boolean {
    return this.#ended && this.#held.size <= maxKept
  }

  /** Replaces the body; the rest of the original one is dropped. */
  replace(bytes: Uint8Array): void {
    this.#held.replace(bytes)
    this.#ended = true
    this.#trailers = undefined
    this.#replacedLength = bytes.length
  }

  /** Length of the body that replaced the original one; `undefined` when it was not replaced. */
  get replacedLength(): number | undefined {
    return this.#replacedLength
  }

  /**
   * Begins to write to the sink: first what was held, then what arrives.
   *
   * @param keeps whether what is written is kept for `rewind`, up to `maxKept`
   */
  flow(sink: BodySink, change: BodyChange | undefined, keeps: boolean = false): void {
    this.#sink = sink
    this.#change = change
    const before = this.#kept ?? []
    this.#kept = keeps ? before : undefined
    for (const piece of before) sink.write(piece)
    if (this.#over) return sink.end(this.#trailers)
    if (this.#held.size > 0 || this.#ended) this.#move()
    else this.#source.resume()
  }

  /** The sink is gone: the next one gets the body from its beginning. False when it has not been kept. */
  rewind(): boolean {
    if (this.#kept === undefined || this.#changing) return false
    this.#sink = undefined
    return true
  }

  /** The sink can take more. */
  onWritable(): void {
    if (this.#sink === undefined || this.#over) return
    if (this.#held.size > 0 || this.#ended) this.#move()
    else this.#source.resume()
  }

  #move(): void {
    const sink = this.#sink!
    while (!this.#changing && !this.#over) {
      const chunk = this.#held.take()
      const last = this.#ended && this.#held.size === 0
      if (chunk === undefined && !last) {
        this.#source.resume()
        return
      }
      if (this.#change === undefined) {
        const isTaken = chunk === undefined || this.#write(sink, chunk)
        if (last) return this.#finish()
        if (!isTaken) return this.#source.pause()
      } else this.#alter(this.#change, chunk ?? nothing, last)
    }
  }

  #alter(change: BodyChange, chunk: Uint8Array, last: boolean): void {
    this.#changing = true
    change(chunk, last, (changed) => {
      this.#changing = false
      if (this.#over) return
      const isTaken = changed.length === 0 || this.#write(this.#sink!, changed)
      if (last) this.#finish()
      else if (isTaken) this.#move()
      else this.#source.pause()
    })
  }

  #write(sink: BodySink, chunk: Uint8Array): boolean {
    if (this.#kept !== undefined) this.#keep(chunk)
    return sink.write(chunk)
  }

  /** Copies it: its memory may be used for the next read. */
  #keep(chunk: Uint8Array): void {
    this.#keptSize += chunk.length
    if (this.#keptSize <= maxKept) this.#kept?.push(new Uint8Array(chunk))
    else this.#kept = undefined
  }

  #finish(): void {
    this.#over = true
    this.#sink!.end(this.#trailers)
  }

  #settleHold(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const { wanted, whole, done } = waiting
    let held: Held | undefined
    if (whole && this.#held.size > wanted) held = 'too large'
    else if (this.#ended) held = 'complete'
    else if (!whole && this.#held.size >= wanted) held = 'more'
    if (held === undefined) return
    this.#waiting = undefined
    if (held !== 'complete') this.#source.pause()
    done(held)
  }
}
