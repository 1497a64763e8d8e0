/** Why a stream is closed: what is still allowed on it depends on that (RFC 9113 §5.1). */
export const UNKNOWN = 0
/** Both sides have ended. */
export const ENDED = 1
/** Reset by the peer, which may send nothing more on it. */
export const THEIRS = 2
/** Reset by this side: what the peer sent before it knew is ignored. */
export const OURS = 3

/** Streams that are remembered, the last ones: so many that this side has reset, and so many others. */
const most = 128

/**
 * Remembers how the last streams of a connection were closed. Those that this side has reset are not forgotten because of
 * others: an upload may go on for a round trip, in which hundreds of requests are answered.
 */
export class ClosedStreams {
  readonly #reset = new Ring()
  readonly #others = new Ring()

  note(id: number, why: number): void {
    if (why === OURS) this.#reset.add(id, why)
    else this.#others.add(id, why)
  }

  whyOf(id: number): number {
    const why = this.#reset.find(id)
    return why === UNKNOWN ? this.#others.find(id) : why
  }
}

class Ring {
  /** Each id times 4, and why: plain numbers, since every stream comes here. */
  #entries: number[] | undefined
  #next = 0

  add(id: number, why: number): void {
    this.#entries ??= []
    this.#entries[this.#next] = id * 4 + why
    this.#next = (this.#next + 1) % most
  }

  find(id: number): number {
    const found = this.#entries?.find((entry) => Math.floor(entry / 4) === id)
    return found === undefined ? UNKNOWN : found % 4
  }
}
