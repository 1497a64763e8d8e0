import { initialWindow, max31, maxStreams } from './frames.ts'

/** Window of a stream whose reader keeps up, bytes. */
export const largestWindow: number = 256 * 1024

/** How much the windows of the streams of a connection may have grown together, bytes. */
export const growth: number = 2 * 1024 * 1024

/**
 * Window of a connection, bytes: all that its streams may hold together. With less, streams that are not read would stop the
 * others.
 */
export const connectionWindow: number = maxStreams * initialWindow + growth

/** What the peer may send: credit that it is given back when its bytes have been taken, never merely on arrival. */
export class ReceiveWindow {
  /** Bytes that the peer may have under way and that may be waiting to be taken. */
  size: number
  /** Bytes that the peer may still send. Less than 0: it has sent more. */
  left: number
  #taken = 0

  constructor(size: number) {
    this.size = size
    this.left = size
  }

  /** Notes that bytes have been taken. @returns the credit to give back now; 0: later, together with more */
  take(count: number): number {
    this.#taken += count
    if (this.#taken * 2 < this.size) return 0
    const credit = this.#taken
    this.#taken = 0
    this.left += credit
    return credit
  }

  /** Enlarges the window. */
  grow(by: number): void {
    this.size += by
    this.left += by
  }
}

/** Whether a window of the peer is larger than allowed after an increment (RFC 9113 §6.9.1). */
export function overflows(window: number, increment: number): boolean {
  return window + increment > max31
}
