/** Shorter ones are hidden only where they stand alone: a secret `a` must not turn every message into dots. */
const shortest = 4

/** What references resolved to. Nothing that is printed may hold one of these. */
export class Secrets {
  readonly #references = new Map<string, string>()
  readonly #values = new Set<string>()
  #pattern: RegExp | undefined

  /** @param reference what stands in the file, and in messages instead of the value: `${env:NAME}`. */
  add(value: string, reference: string): void {
    this.#references.set(value.toLowerCase(), reference)
    // A message may quote it: JSON spells some characters differently.
    this.#references.set(JSON.stringify(value).slice(1, -1).toLowerCase(), reference)
    this.#values.add(value)
    this.#pattern = undefined
  }

  get values(): readonly string[] {
    return [...this.#values]
  }

  /** The text with every secret in it replaced by its reference, whatever the letter case. */
  redact(text: string): string {
    if (this.#references.size === 0) return text
    this.#pattern ??= patternOf([...this.#references.keys()])
    return text.replace(this.#pattern, (found) => this.#references.get(found.toLowerCase()) ?? '[secret]')
  }
}

function patternOf(values: string[]): RegExp {
  values.sort((a, b) => b.length - a.length)
  const parts = values.map((value) => {
    const literal = RegExp.escape(value)
    return value.length < shortest ? `(?<![A-Za-z0-9])${literal}(?![A-Za-z0-9])` : literal
  })
  return new RegExp(parts.join('|'), 'gi')
}
