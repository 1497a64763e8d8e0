import { write } from 'node:fs'
import { nonBlocking } from './non-blocking.ts'

/** Most bytes that are kept while nothing can be written; more are dropped. */
const maxUnwritten = 16 * 1024 * 1024
/** Pause after a failed write, ms: a full disk may have room again. */
const failurePause = 1_000
/** Longest pause while the reader is slow, ms. The first is 1 ms, and each one is twice as long. */
const longestPause = 64
/** A reader that has read nothing for this long has stopped, ms. */
const stopped = 5_000

/**
 * Writes bytes to a descriptor in order, one write at a time. No state of the descriptor holds up the process: what cannot
 * be written is kept and tried again, up to a limit.
 */
export class ByteWriter {
  readonly #descriptor: number
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
    this.#descriptor = nonBlocking(descriptor) ?? descriptor
    this.#onTrouble = onTrouble
  }

  /** Returns false when the bytes were dropped, because too much is unwritten. */
  write(bytes: Buffer): boolean {
    // Closing the pipe is the reader's way to say that it wants no more.
    if (this.#readerGone) return true
    if (this.#unwritten + bytes.length > maxUnwritten) return false
    this.#unwritten += bytes.length
    this.#queue.push(bytes)
    if (this.#current === undefined) this.#next()
    return true
  }

  /** Calls back when everything is written, or when writing fails. */
  flush(done: () => void): void {
    if (this.#current === undefined || this.#failing) done()
    else this.#onFlushed.push(done)
  }

  #next(): void {
    this.#current = this.#queue.shift()
    if (this.#current === undefined) this.#flushed()
    else this.#attempt()
  }

  readonly #attempt = (): void => {
    write(this.#descriptor, this.#current!, this.#done)
  }

  readonly #done = (error: NodeJS.ErrnoException | null, written: number): void => {
    if (error !== null) return this.#failed(error)
    this.#failing = false
    this.#pause = 0
    this.#unwritten -= written
    if (written === this.#current!.length) return this.#next()
    this.#current = this.#current!.subarray(written)
    this.#attempt()
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
