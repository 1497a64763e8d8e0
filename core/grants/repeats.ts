/** Writes a line that stands for so many. */
export type Writer = (count: number) => void

interface Line {
  write: Writer
  /** How many have come since it was last written. */
  count: number
}

/** Different lines of one owner that are written at once; any further ones are counted as the last of them. */
const mostLines = 10
const period = 1_000

/**
 * Lines that may come with every request. Of equal lines of one owner the first is written at once; those that follow
 * are written as one line a second, with their count.
 */
export class Repeats {
  readonly #owners = new Map<string, Map<string, Line>>()
  #timer: NodeJS.Timeout | undefined

  /** @param key equal for lines that repeat each other. */
  add(owner: string, key: string, write: Writer): void {
    let lines = this.#owners.get(owner)
    if (lines === undefined) {
      lines = new Map()
      this.#owners.set(owner, lines)
    }
    const known = lines.get(key) ?? (lines.size < mostLines ? undefined : lines.get(further))
    if (known !== undefined) {
      known.count++
      known.write = write
      return
    }
    this.#timer ??= setTimeout(() => this.#tick(), period).unref()
    if (lines.size < mostLines) {
      lines.set(key, { write, count: 0 })
      write(1)
    } else lines.set(further, { write, count: 1 })
  }

  /** Writes everything that is only counted so far. */
  flush(): void {
    for (const lines of this.#owners.values()) {
      for (const [key, line] of lines) {
        const { count } = line
        line.count = 0
        if (count === 0) lines.delete(key)
        else line.write(count)
      }
    }
  }

  #tick(): void {
    this.#timer = undefined
    this.flush()
    for (const [owner, lines] of this.#owners) if (lines.size === 0) this.#owners.delete(owner)
    if (this.#owners.size > 0) this.#timer = setTimeout(() => this.#tick(), period).unref()
  }
}

const further = '\0'
