/** Why a stream is closed: what is still allowed on it depends on that (RFC 9113 §5.1). */
export const UNKNOWN = 0
/** Both sides have ended. */
export const ENDED = 1
/** Reset by the peer, which may send nothing more on it. */
export const THEIRS = 2
/** Reset by this side: what the peer sent before it knew is ignored. */
export const OURS = 3

/** Streams that are remembered, the last ones. */
const most = 128

/** Remembers how the last streams of a connection were closed. */
export class ClosedStreams {
  /** Each id times 4, and why: plain numbers, since every stream comes here. */
  #ring: number[] | undefined
  #next = 0

  note(id: number, why: number): void {
    this.#ring ??= []
    this.#ring[this.#next] = id * 4 + why
    this.#next = (this.#next + 1) % most
  }

  whyOf(id: number): number {
    const found = this.#ring?.find((entry) => Math.floor(entry / 4) === id)
    return found === undefined ? UNKNOWN : found % 4
  }
}
