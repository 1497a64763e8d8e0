import { fstatSync, write, writeSync } from 'node:fs'
import { nonBlocking } from './non-blocking.ts'

/** Most bytes that are kept while nothing can be written; more are dropped. */
const maxUnwritten = 16 * 1024 * 1024
/** Pause after a failed write, ms: a full disk may have room again. */
const failurePause = 1_000
/** Longest pause while the reader is slow, ms. The first is 1 ms, and each one is twice as long. */
const longestPause = 64
/** Writes in one turn of the event loop. */
const mostAtOnce = 64
/** A reader that has read nothing for this long has stopped, ms. */
const stopped = 5_000

/**
 * Writes bytes to a descriptor in order, one write at a time. No state of the descriptor holds up the process: what cannot
 * be written is kept and tried again, up to a limit.
 */
export class ByteWriter {
  readonly #descriptor: number
  /**
   * A write never waits, and so happens on this thread: a pipe takes the lines of only ten requests at a time, and to wake
   * a thread of libuv's pool for them took 7 % of this thread's time. A write to a file may wait for the disk.
   */
  readonly #immediate: boolean
  readonly #onTrouble: (problem: string) => void
  #queue: Buffer[] = []
  /** Being written, or to be written again. */
  #current: Buffer | undefined
  /** Bytes of both. */
  #unwritten = 0
  #pause = 0
  #fullSince = 0
  #failing = false
  #readerGone = false
  #onFlushed: (() => void)[] = []

  /** @param onTrouble called for each failed write with the reason, and every 5 s while the reader does not read. */
  constructor(descriptor: number, onTrouble: (problem: string) => void) {
    const reopened = nonBlocking(descriptor)
    this.#descriptor = reopened ?? descriptor
    this.#immediate = reopened !== undefined && !fstatSync(descriptor).isFile()
    this.#onTrouble = onTrouble
  }

  /**
   * Returns false when the bytes were dropped, because too much is unwritten.
   *
   * @param bytes may change when this has returned.
   */
  write(bytes: Buffer): boolean {
    // Closing the pipe is the reader's way to say that it wants no more.
    if (this.#readerGone) return true
    if (this.#unwritten + bytes.length > maxUnwritten) return false
    this.#unwritten += bytes.length
    if (this.#current !== undefined) {
      this.#queue.push(Buffer.from(bytes))
      return true
    }
    this.#current = this.#immediate ? bytes : Buffer.from(bytes)
    this.#attempt()
    // What could not be written is all that is left of it.
    if (this.#immediate && this.#current !== undefined) this.#current = Buffer.from(this.#current)
    return true
  }

  /** Calls back when everything is written, or when writing fails. */
  flush(done: () => void): void {
    if (this.#current === undefined || this.#failing) done()
    else this.#onFlushed.push(done)
  }

  readonly #attempt = (): void => {
    if (!this.#immediate) return write(this.#descriptor, this.#current!, this.#done)
    try {
      for (let i = 0; this.#current !== undefined; i++) {
        if (i === mostAtOnce) return void setTimeout(this.#attempt, 0).unref()
        this.#wrote(writeSync(this.#descriptor, this.#current))
      }
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException)
    }
  }

  readonly #done = (error: NodeJS.ErrnoException | null, written: number): void => {
    if (error !== null) return this.#failed(error)
    this.#wrote(written)
    if (this.#current !== undefined) this.#attempt()
  }

  /** Leaves in `#current` what is to be written next. */
  #wrote(bytes: number): void {
    this.#failing = false
    this.#pause = 0
    this.#unwritten -= bytes
    if (bytes < this.#current!.length) this.#current = this.#current!.subarray(bytes)
    else {
      this.#current = this.#queue.shift()
      if (this.#current === undefined) this.#flushed()
    }
  }

  #failed({ code, message }: NodeJS.ErrnoException): void {
    if (code === 'EPIPE') return this.#end()
    const isFull = code === 'EAGAIN'
    if (!isFull) {
      this.#failing = true
      this.#pause = failurePause
      this.#onTrouble(message)
      this.#flushed()
    } else if (this.#pause === 0) {
      this.#fullSince = performance.now()
      this.#pause = 1
    } else {
      this.#pause = Math.min(longestPause, this.#pause * 2)
      const now = performance.now()
      if (now - this.#fullSince > stopped) {
        this.#fullSince = now
        this.#onTrouble('its reader has stopped reading')
      }
    }
    setTimeout(this.#attempt, this.#pause).unref()
  }

  #end(): void {
    this.#readerGone = true
    this.#queue = []
    this.#current = undefined
    this.#unwritten = 0
    this.#flushed()
  }

  #flushed(): void {
    for (const done of this.#onFlushed.splice(0)) done()
  }
}
