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
 */
export function sayLast(stream: ByteStream, bytes: Uint8Array): void {
  stream.start(new LastWords(stream))
  stream.write(bytes)
  stream.end()
}

class LastWords implements ByteReceiver {
  readonly #stream: ByteStream
  readonly #timer = new WheelTimer(this)
  #dropped = 0

  constructor(stream: ByteStream) {
    this.#stream = stream
    this.#timer.arm(linger)
  }

  onBytes(bytes: Buffer): boolean {
    this.#dropped += bytes.length
    if (this.#dropped > maxDropped) this.#stream.destroy()
    return true
  }

  onEnd(): void {}

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
