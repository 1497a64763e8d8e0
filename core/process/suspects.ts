/**
 * How long after a death its suspects cross alone, ms. A number of successful crossings does not shorten it: under load
 * these take a second, and a harmful request that arrives every few seconds would find the suspects together again.
 */
export const suspicion = 600_000

/** Most deaths remembered. This is enough, because one that names no new suspect counts towards a delay of the restart. */
const most = 100

interface Death {
  readonly at: number
  readonly hashes: Set<string>
}

/**
 * Plugins that may have caused the death of a process in which several plugins crossed together. Suspects cross one at
 * a time, so the next death has only one suspect. The others then stop being suspects.
 */
export class Suspects {
  readonly #onChange: (hashes: readonly string[], on: boolean) => void
  /** Deaths that still have suspects, the oldest first. */
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

  /**
   * A plugin crossed alone when a process died. That also explains earlier deaths of which it is a suspect. It still
   * crosses alone.
   */
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

  /** When `expire` has something to do next, ms; `undefined`: never. */
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
