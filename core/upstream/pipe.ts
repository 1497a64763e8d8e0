import { type OutcomeCode, PosternError } from '../errors.ts'
import { type ByteReceiver, type ByteStream, maxUnsent } from '../net/byte-stream.ts'
import type { Delivery } from '../net/delivery.ts'
import { giveMemory } from '../net/spare-memory.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import { refusalOf } from '../net/tls-alert.ts'
import { AckWatch } from './ack-watch.ts'

export interface PipeOptions {
  /**
   * Longest time without a byte in either direction, ms. Up to 200 ms more may pass, and as much again while one side has not
   * read what was written to it.
   */
  readonly idle: number
  /** Longest time without acknowledgement of what was written to a side, ms; see `AckWatch`. Default: none. */
  readonly write?: number | undefined
  /** Called exactly once, when both sides are closed; never before `pipe` has returned. */
  readonly onEnd: (result: PipeResult) => void
  /**
   * Takes the first bytes of the client until it returns what goes to the backend; `undefined`: it needs more. What it throws
   * ends both sides (DPE).
   */
  readonly preface?: ((bytes: Buffer) => Buffer | undefined) | undefined
}

export interface PipeResult {
  /** From the client. */
  readonly bytesIn: number
  /** From the backend. */
  readonly bytesOut: number
  /** Why it failed: DC (client reset), DPE (see `preface`), UR (backend reset), UF (backend refused the handshake of TLS), SI (idle, or see `write`), CI (see `write`), SD (closed here); `undefined`: both sides ended. */
  readonly error: PosternError | undefined
  readonly outcome: OutcomeCode | undefined
}

export interface Pipe {
  /** Resets both sides: the deadline of a drain has passed. */
  close(): void
}

/**
 * Forwards bytes between two connections that have no receiver. A side that reads slowly slows the other down;
 * the end of one direction is passed on and leaves the other open. A failure of either connection resets both, since a plain
 * end would make a truncated response look complete.
 *
 * What was given back to either of them is forwarded first. An end over TLS without close_notify is passed on without one.
 */
export function pipe(client: ByteStream, backend: ByteStream, options: PipeOptions): Pipe {
  return new Relay(client, backend, options)
}

class Relay implements Pipe {
  readonly #options: PipeOptions
  readonly #in: Direction
  readonly #out: Direction
  readonly #timer = new WheelTimer(this)
  #open = 2
  /** What both sides had received when they were last looked at, bytes. */
  #taken = -1
  #error: PosternError | undefined

  constructor(client: ByteStream, backend: ByteStream, options: PipeOptions) {
    this.#options = options
    const { write } = options
    this.#in = new Direction(this, client, backend, options.preface)
    this.#out = new Direction(this, backend, client)
    if (write !== undefined) {
      const silence = `acknowledges nothing for ${write} ms`
      this.#in.watch = new AckWatch(backend, write, () => this.#fail('SI', `the backend ${silence}`))
      this.#out.watch = new AckWatch(client, write, () => this.#fail('CI', `the client ${silence}`))
    }
    this.#timer.arm(options.idle)
    this.#in.start(this.#out)
    this.#out.start(this.#in)
  }

  close(): void {
    this.#fail('SD', 'closed by the gateway')
  }

  /** Bytes arrived or were sent: restarts the idle time. Repeated calls within one tick of the wheel are almost free. */
  moved(): void {
    if (this.#open > 0) this.#timer.arm(this.#options.idle)
  }

  /** A side that reads slowly may have taken bytes that were written long ago: then the connection is not idle. */
  onTimeout(): void {
    if (this.#in.isFlushed && this.#out.isFlushed) return this.#idle()
    this.#in.delivery(({ taken: received }) => {
      this.#out.delivery(({ taken }) => {
        if (this.#open === 0 || this.#timer.isArmed) return
        if (this.#taken === received + taken) return this.#idle()
        this.#taken = received + taken
        this.#timer.arm(this.#options.idle)
      })
    })
  }

  #idle(): void {
    this.#fail('SI', `no bytes in either direction for ${this.#options.idle} ms`)
  }

  /** The client does not keep to the protocol. */
  refuse(cause: Error): void {
    this.#fail('DPE', cause.message, cause)
  }

  /** The source of a direction failed, or was closed before both its directions had ended. */
  broken(direction: Direction, cause: Error | undefined): void {
    if (direction === this.#in) this.#fail('DC', `client connection failed: ${describe(cause)}`, cause)
    else {
      const refusal = direction.bytes === 0 ? refusalOf(cause) : undefined
      if (refusal !== undefined) this.#fail('UF', refusal, cause)
      else this.#fail('UR', `backend connection failed: ${describe(cause)}`, cause)
    }
  }

  /** The last event of the source of a direction. */
  closed(): void {
    if (--this.#open > 0) return
    this.#timer.disarm()
    this.#in.watch?.stop()
    this.#out.watch?.stop()
    const error = this.#error
    this.#options.onEnd({ bytesIn: this.#in.bytes, bytesOut: this.#out.bytes, error, outcome: error?.code })
  }

  #fail(code: OutcomeCode, message: string, cause?: Error): void {
    if (this.#error !== undefined || this.#open === 0) return
    this.#error = new PosternError(code, message, { cause })
    this.#in.reset()
    this.#out.reset()
  }
}

/** One direction, and all events of its source. */
class Direction implements ByteReceiver {
  bytes = 0
  /** Of the sink. */
  watch: AckWatch | undefined
  readonly #relay: Relay
  readonly #source: ByteStream
  readonly #sink: ByteStream
  /** The other direction, which waits when this one's source has not taken what was written to it. */
  #back!: Direction
  /** `undefined` once it has returned. */
  #preface: PipeOptions['preface']
  /** Lent memory whose bytes are not sent yet. */
  #lent: Buffer | undefined

  constructor(relay: Relay, source: ByteStream, sink: ByteStream, preface?: PipeOptions['preface']) {
    this.#relay = relay
    this.#source = source
    this.#sink = sink
    this.#preface = preface
  }

  start(back: Direction): void {
    this.#back = back
    this.#source.start(this)
  }

  /** Whether the receiving side, or its kernel, has taken everything. */
  get isFlushed(): boolean {
    return this.#sink.unsent === 0
  }

  delivery(done: (delivery: Delivery) => void): void {
    this.#sink.delivery(done)
  }

  reset(): void {
    this.#source.reset()
  }

  onBytes(bytes: Buffer, borrowed: boolean): boolean {
    this.bytes += bytes.length
    this.#relay.moved()
    if (this.#preface !== undefined) return this.#takeFirst(bytes, this.#preface)
    const sink = this.#sink
    if (borrowed) sink.writeBorrowed(bytes)
    else sink.write(bytes)
    this.watch?.wrote()
    const { unsent } = sink
    if (unsent === 0) return true
    // Lent memory must not be read into while some of its bytes are unsent.
    if (!borrowed || unsent >= maxUnsent) {
      if (!borrowed) this.#lent = bytes
      this.#source.pause()
      sink.askDrain()
    }
    return false
  }

  /** The bytes are copied. */
  #takeFirst(bytes: Buffer, preface: (bytes: Buffer) => Buffer | undefined): boolean {
    try {
      const first = preface(bytes)
      if (first === undefined) return true
      this.#preface = undefined
      this.#sink.writeBorrowed(first)
      this.watch?.wrote()
    } catch (error) {
      this.#relay.refuse(error as Error)
    }
    return true
  }

  /** What the other direction has written to this one's source is sent. */
  onDrain(): void {
    this.#back.onSent()
  }

  onSent(): void {
    if (this.#lent !== undefined) giveMemory(this.#lent)
    this.#lent = undefined
    this.#relay.moved()
    this.#source.resume()
  }

  onEnd(): void {
    // What a third party may have cut off does not become complete on the other side.
    this.#sink.end(this.#source.mayBeCut)
    this.watch?.wrote()
  }

  onError(cause: Error): void {
    this.#relay.broken(this, cause)
  }

  onClose(): void {
    if (!this.#source.isFinished) this.#relay.broken(this, undefined)
    this.#relay.closed()
  }
}

function describe(cause: Error | undefined): string {
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? cause?.message ?? 'closed early'
}
