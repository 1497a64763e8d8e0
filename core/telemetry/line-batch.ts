import { fstatSync } from 'node:fs'
import { destination } from 'pino'
import type { LineStream } from './log.ts'

/** A reader of the log that has stopped reading costs no more memory than this, bytes. */
const most = 16 * 1024 * 1024

/** How long a line may wait for company, ms. */
const patience = 200

/**
 * Lines on their way to a descriptor, many in one write: a line a request in a system call of its own would cost more
 * than the request. They gather as bytes; as strings, which were measured again with each line, they cost 4 % more.
 *
 * Into a pipe or a socket go batches no longer than what is taken in one piece (POSIX PIPE_BUF), so that lines of several
 * workers never mix. A file takes any in one piece.
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
    const options = { dest: descriptor, sync: false, minLength: 1, maxWrite: this.#size, maxLength: most }
    this.#sink = destination({ ...options, contentMode: 'buffer' }) as unknown as Sink
    // A reader that went away must not end the gateway; there is nobody left to tell.
    this.#sink.on('error', () => {})
    this.#sink.on('drop', (bytes) => {
      this.#lost += bytes.length
    })
    setInterval(() => this.#pass(), patience).unref()
  }

  write(line: string): void {
    // No character of a string takes more than three bytes.
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
