import { fstatSync } from 'node:fs'
import { ByteWriter } from './byte-writer.ts'
import type { LineStream } from './log.ts'
import { sayUnwritable } from './standard-error.ts'

/** Longest time that a line waits to be written with others, ms. */
const maxDelay = 200

/** Not in the types of Node. Takes 30 ns for a line; `write` with a name of the encoding takes 90 ns. */
type Latin1Writer = Buffer & { latin1Write(text: string, offset: number, length: number): number }

/**
 * Writes lines to a descriptor, many in one write: a system call for each request's line would cost more than the request.
 * They are collected as bytes; as strings, whose length had to be computed again for each line, they cost 4 % more.
 *
 * Batches for a pipe or a socket are no longer than what is written atomically (POSIX PIPE_BUF), so that lines of several
 * workers never mix. A file accepts batches of any length atomically.
 */
export class LineBatch implements LineStream {
  readonly #size: number
  readonly #writer: ByteWriter
  #bytes: Latin1Writer
  #end = 0
  #lost = 0

  /** @param onTrouble see `ByteWriter`. Default: says it on standard error. */
  constructor(descriptor: number, onTrouble: (problem: string) => void = sayUnwritable) {
    this.#size = fstatSync(descriptor).isFile() ? 65_536 : 4096
    this.#bytes = Buffer.allocUnsafe(this.#size * 2) as Latin1Writer
    this.#writer = new ByteWriter(descriptor, onTrouble)
    setInterval(() => this.#pass(), maxDelay).unref()
  }

  write(line: string, isAscii: boolean = false): void {
    // A UTF-16 code unit takes at most three bytes in UTF-8.
    const most = isAscii ? line.length : line.length * 3
    if (this.#bytes.length - this.#end < most) this.#makeRoom(most)
    const begin = this.#end
    this.#end += isAscii ? this.#bytes.latin1Write(line, begin, line.length) : this.#bytes.write(line, begin)
    if (this.#end <= this.#size) return
    const rest = this.#bytes.subarray(begin, this.#end)
    this.#end = begin
    this.#pass()
    if (rest.length > this.#size) this.#give(rest)
    else this.#end = rest.copy(this.#bytes)
  }

  /** Calls back when everything has been written, or when writing fails. */
  flush(done: () => void): void {
    this.#pass()
    this.#writer.flush(done)
  }

  #makeRoom(wanted: number): void {
    this.#pass()
    if (this.#bytes.length < wanted) this.#bytes = Buffer.allocUnsafe(wanted + this.#size) as Latin1Writer
  }

  #pass(): void {
    if (this.#end === 0) return
    this.#give(this.#bytes.subarray(0, this.#end))
    this.#end = 0
  }

  #give(bytes: Buffer): void {
    if (!this.#writer.write(bytes)) {
      this.#lost += bytes.length
      return
    }
    if (this.#lost === 0) return
    const line = {
      level: 'warn',
      time: new Date().toISOString(),
      bytes: this.#lost,
      msg: 'some lines of the log were lost',
    }
    if (this.#writer.write(Buffer.from(`${JSON.stringify(line)}\n`))) this.#lost = 0
  }
}
