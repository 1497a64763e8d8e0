import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type OutcomeCode, PosternError } from '../errors.ts'
import type { ReadBuffer, Taker } from '../net/read-buffer.ts'
import { WheelTimer } from '../net/timer-wheel.ts'

export interface PipeOptions {
  /** Longest time without a byte in either direction, ms; up to 200 ms more may pass. */
  readonly idle: number
  /** Called exactly once, when both sockets are closed and without listeners; never before `pipe` has returned. */
  readonly onEnd: (result: PipeResult) => void
  /** What a socket was made with and has not been read into yet; released at the end. Default: `data` events. */
  readonly clientBuffer?: ReadBuffer | undefined
  readonly backendBuffer?: ReadBuffer | undefined
}

export interface PipeResult {
  /** From the client. */
  readonly bytesIn: number
  /** From the backend. */
  readonly bytesOut: number
  /** Why it did not end well: DC (client reset), UR (backend reset), SI (idle), SD (closed here). */
  readonly error: PosternError | undefined
  readonly outcome: OutcomeCode | undefined
}

export interface Pipe {
  /** Resets both sides: the deadline of a drain has come. */
  close(): void
}

/**
 * Forwards bytes between two connected sockets, plain or TLS, that allow half-open and have no listeners of others. A side
 * that reads slowly slows the other down; the end of one direction is passed on and leaves the other open. Whatever cuts a
 * connection short resets both sides, for a plain end would make a truncated answer look complete.
 *
 * The client may have been paused since it was accepted: what it sent meanwhile comes first.
 */
export function pipe(client: Socket, backend: Socket, options: PipeOptions): Pipe {
  return new Relay(client, backend, options)
}

class Relay implements Pipe {
  readonly #options: PipeOptions
  readonly #in: Direction
  readonly #out: Direction
  readonly #timer = new WheelTimer(this)
  #open = 2
  #error: PosternError | undefined

  constructor(client: Socket, backend: Socket, options: PipeOptions) {
    this.#options = options
    this.#in = new Direction(this, client, backend, options.clientBuffer)
    this.#out = new Direction(this, backend, client, options.backendBuffer)
    this.#timer.arm(options.idle)
    this.#in.start()
    this.#out.start()
  }

  close(): void {
    this.#fail('SD', 'closed by the gateway')
  }

  /** Something came, or was taken. Within one tick of the wheel this changes nothing and costs next to nothing. */
  moved(): void {
    if (this.#open > 0) this.#timer.arm(this.#options.idle)
  }

  onTimeout(): void {
    this.#fail('SI', `no bytes in either direction for ${this.#options.idle} ms`)
  }

  /** The source of a direction failed, or was closed before both its directions had ended. */
  broken(direction: Direction, cause: Error | undefined): void {
    if (direction === this.#in) this.#fail('DC', `client connection broke: ${describe(cause)}`, cause)
    else this.#fail('UR', `backend connection broke: ${describe(cause)}`, cause)
  }

  /** The last event of the source of a direction. */
  closed(): void {
    if (--this.#open > 0) return
    this.#timer.disarm()
    this.#in.release()
    this.#out.release()
    const error = this.#error
    this.#options.onEnd({ bytesIn: this.#in.bytes, bytesOut: this.#out.bytes, error, outcome: error?.code })
  }

  #fail(code: OutcomeCode, message: string, cause?: Error): void {
    if (this.#error !== undefined || this.#open === 0) return
    this.#error = new PosternError(code, message, { cause })
    reset(this.#in.source)
    reset(this.#out.source)
  }
}

/** One direction, and all events of its source. */
class Direction {
  readonly source: Socket
  bytes = 0
  readonly #relay: Relay
  readonly #sink: Socket
  readonly #buffer: ReadBuffer | undefined
  #over = false

  constructor(relay: Relay, source: Socket, sink: Socket, buffer: ReadBuffer | undefined) {
    this.#relay = relay
    this.source = source
    this.#sink = sink
    this.#buffer = buffer
  }

  start(): void {
    const { source } = this
    if (this.#buffer === undefined) {
      source.on('data', this.#onData)
      this.#sink.on('drain', this.#onTaken)
    } else this.#buffer.taker = this.#onRead
    source.on('end', this.#onEnd)
    source.on('error', this.#onError)
    source.on('close', this.#onClose)
    // Either may have happened before there were listeners.
    if (source.destroyed) setImmediate(this.#onClose)
    else if (source.readableEnded) this.#sink.end()
    source.resume()
  }

  release(): void {
    const { source } = this
    source.off('data', this.#onData)
    this.#sink.off('drain', this.#onTaken)
    source.off('end', this.#onEnd)
    source.off('error', this.#onError)
    source.off('close', this.#onClose)
    this.#buffer?.release()
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#moved(chunk)
    if (!this.#sink.write(chunk)) this.source.pause()
  }

  readonly #onRead: Taker = (bytes, borrowed) => {
    this.#moved(bytes)
    const wantsMore = this.#sink.write(bytes)
    // What is lent must not be read into while a part of it waits to be sent. `drain` tells of the end of that only when
    // much is waiting; a callback for every write would cost each of them a tick.
    if (borrowed ? this.#sink.writableLength === 0 : wantsMore) return true
    this.#sink.write(nothing, this.#onTaken)
    return false
  }

  #moved({ length }: Buffer): void {
    this.bytes += length
    this.#relay.moved()
  }

  readonly #onTaken = (): void => {
    this.#relay.moved()
    this.source.resume()
  }

  readonly #onEnd = (): void => {
    this.#sink.end()
  }

  readonly #onError = (cause: Error): void => {
    this.#relay.broken(this, cause)
  }

  readonly #onClose = (): void => {
    if (this.#over) return
    this.#over = true
    const { source } = this
    if (!source.readableEnded || !source.writableFinished) this.#relay.broken(this, source.errored ?? undefined)
    this.#relay.closed()
  }
}

const nothing = Buffer.alloc(0)

function reset(socket: Socket): void {
  if (socket.destroyed) return
  // While a FIN is on its way the system refuses a reset, and node then never closes the socket. Everything has been
  // handed over by then, so closing it truncates nothing.
  const ending = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  // Under TLS a close without close_notify says the same as a reset, which node refuses there.
  if (ending || socket instanceof TLSSocket) socket.destroy()
  else socket.resetAndDestroy()
}

function describe(cause: Error | undefined): string {
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? cause?.message ?? 'closed early'
}
