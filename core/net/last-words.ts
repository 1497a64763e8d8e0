import type { ByteReceiver, ByteStream } from './byte-stream.ts'
import { WheelTimer } from './timer-wheel.ts'

/** How long the other side has to read the last bytes and close its side, ms. */
const linger = 2000

/** Most bytes that are dropped meanwhile. */
const maxDropped = 256 * 1024

/**
 * Writes bytes and ends the connection so that the other side can read them: closing a socket while bytes arrive sends a
 * reset, which could destroy them (RFC 9112 §9.6).
 *
 * @param stream that no one else receives from
 * @param isAnswer it waits until the other side has said something: many take bytes that come before for a fault. Default: false.
 */
export function sayLast(stream: ByteStream, bytes: Uint8Array, isAnswer: boolean = false): void {
  const words = new LastWords(stream, bytes)
  stream.start(words)
  if (!isAnswer) words.say()
}

class LastWords implements ByteReceiver {
  readonly #stream: ByteStream
  readonly #timer = new WheelTimer(this)
  #bytes: Uint8Array | undefined
  #dropped = 0

  constructor(stream: ByteStream, bytes: Uint8Array) {
    this.#stream = stream
    this.#bytes = bytes
    this.#timer.arm(linger)
  }

  say(): void {
    if (this.#bytes === undefined) return
    this.#stream.write(this.#bytes)
    this.#stream.end()
    this.#bytes = undefined
    this.#timer.arm(linger)
  }

  onBytes(bytes: Buffer): boolean {
    this.say()
    this.#dropped += bytes.length
    if (this.#dropped > maxDropped) this.#stream.destroy()
    return true
  }

  onEnd(): void {
    this.say()
  }

  onDrain(): void {}

  onError(): void {
    this.#stream.destroy()
  }

  onTimeout(): void {
    this.#stream.destroy()
  }

  onClose(): void {
    this.#timer.disarm()
  }
}
