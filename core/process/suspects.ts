/**
 * For how long after a death its suspects cross alone, ms. Not shorter after some number of crossings that went well: under
 * load those are made in a second, and a request that comes every few seconds would find all of them together again.
 */
export const suspicion = 600_000

/** Deaths remembered; a worker that dies more often than this is started less often. */
const most = 100

interface Death {
  readonly at: number
  readonly hashes: Set<string>
}

/**
 * Which plugins may have caused the exit of a process in which several plugins crossed together. Suspects cross one at a time, so
 * that the next death has one suspect only; then the others are suspects no more.
 */
export class Suspects {
  readonly #onChange: (hashes: readonly string[], on: boolean) => void
  /** Those without a known culprit. */
  #deaths: Death[] = []
  #current: ReadonlySet<string> = new Set()

  constructor(onChange: (hashes: readonly string[], on: boolean) => void) {
    this.#onChange = onChange
  }

  get list(): readonly string[] {
    return [...this.#current]
  }

  has(hash: string): boolean {
    return this.#current.has(hash)
  }

  add(hashes: Iterable<string>, now: number): void {
    this.#update([...this.#deaths, { at: now, hashes: new Set(hashes) }])
  }

  /** It was alone when a process died: that explains the earlier deaths too. It still crosses alone. */
  found(hash: string, now: number): void {
    const others = this.#deaths.filter(({ hashes }) => !hashes.has(hash))
    this.#update([...others, { at: now, hashes: new Set([hash]) }])
  }

  drop(hash: string): void {
    for (const { hashes } of this.#deaths) hashes.delete(hash)
    this.#update(this.#deaths)
  }

  expire(now: number): void {
    if (this.next !== undefined && this.next <= now) this.#update(this.#deaths.filter(({ at }) => at + suspicion > now))
  }

  /** When `expire` has something to do next. */
  get next(): number | undefined {
    const first = this.#deaths[0]
    return first && first.at + suspicion
  }

  #update(deaths: readonly Death[]): void {
    const before = this.#current
    this.#deaths = deaths.filter(({ hashes }) => hashes.size > 0).slice(-most)
    this.#current = new Set(this.#deaths.flatMap(({ hashes }) => [...hashes]))
    const gone = [...before].filter((hash) => !this.#current.has(hash))
    const come = [...this.#current].filter((hash) => !before.has(hash))
    if (gone.length > 0) this.#onChange(gone, false)
    if (come.length > 0) this.#onChange(come, true)
  }
}
