import { fstatSync } from 'node:fs'
import { destination } from 'pino'
import type { LineStream } from './log.ts'

/** Most bytes that are kept in memory when the reader of the log stops reading; more are dropped. */
const maxUnwritten = 16 * 1024 * 1024

/** Longest time that a line waits to be written with others, ms. */
const maxDelay = 200

/**
 * Writes lines to a descriptor, many in one write: a system call for each request's line would cost more than the request.
 * They are collected as bytes; as strings, whose length had to be computed again for each line, they cost 4 % more.
 *
 * Batches for a pipe or a socket are no longer than what is written atomically (POSIX PIPE_BUF), so that lines of several
 * workers never mix. A file accepts batches of any length atomically.
 */
export class LineBatch implements LineStream {
  readonly #size: number
  readonly #sink: Sink
  #bytes: Buffer
  #end = 0
  #lost = 0

  constructor(descriptor: number) {
    this.#size = fstatSync(descriptor).isFile() ? 65_536 : 4096
    this.#bytes = Buffer.allocUnsafe(this.#size * 2)
    const options = { dest: descriptor, sync: false, minLength: 1, maxWrite: this.#size, maxLength: maxUnwritten }
    this.#sink = destination({ ...options, contentMode: 'buffer' }) as unknown as Sink
    // A reader that closes the pipe must not end the gateway, and there is no other place to report it.
    this.#sink.on('error', () => {})
    this.#sink.on('drop', (bytes) => {
      this.#lost += bytes.length
    })
    setInterval(() => this.#pass(), maxDelay).unref()
  }

  write(line: string): void {
    // A UTF-16 code unit takes at most three bytes in UTF-8.
    if (this.#bytes.length - this.#end < line.length * 3) this.#makeRoom(line.length * 3)
    const begin = this.#end
    this.#end += this.#bytes.write(line, begin)
    if (this.#end <= this.#size) return
    const rest = this.#bytes.subarray(begin, this.#end)
    this.#end = begin
    this.#pass()
    if (rest.length > this.#size) this.#give(Buffer.from(rest))
    else this.#end = rest.copy(this.#bytes)
  }

  /** Calls back when everything has been written. */
  flush(done: () => void): void {
    this.#pass()
    this.#sink.flush(done)
  }

  #makeRoom(wanted: number): void {
    this.#pass()
    if (this.#bytes.length < wanted) this.#bytes = Buffer.allocUnsafe(wanted + this.#size)
  }

  #pass(): void {
    if (this.#end === 0) return
    this.#give(Buffer.from(this.#bytes.subarray(0, this.#end)))
    this.#end = 0
  }

  #give(bytes: Buffer): void {
    const before = this.#lost
    this.#sink.write(bytes)
    if (this.#lost > before || before === 0) return
    this.#lost = 0
    const time = new Date().toISOString()
    const line = { level: 'warn', time, bytes: before, msg: 'the log was not read fast enough; some lines were lost' }
    this.#sink.write(Buffer.from(`${JSON.stringify(line)}\n`))
  }
}

/** A sonic-boom that takes bytes. */
interface Sink {
  write(bytes: Buffer): unknown
  flush(done: () => void): void
  on(event: 'error', listener: (error: Error) => void): void
  on(event: 'drop', listener: (bytes: Buffer) => void): void
}
