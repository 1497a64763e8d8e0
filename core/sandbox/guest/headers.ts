import type { GuestCall } from './call.ts'

type Family = 'header' | 'response.header'

const every = { header: 'header:*', 'response.header': 'response.header:*' } as const

/**
 * The declared headers of a request or response; those of `header:*` and `response.header:*` are decoded on first use.
 */
export class Headers {
  readonly #call: GuestCall
  readonly #family: Family
  readonly #indexes: ReadonlyMap<string, number>
  #list: string[] | undefined

  constructor(call: GuestCall, family: Family) {
    this.#call = call
    this.#family = family
    this.#indexes = family === 'header' ? call.entry.headers : call.entry.responseHeaders
  }

  get(name: string): string | undefined {
    // The name is nearly always in lower case already; then the second look-up is not needed.
    const known = this.#indexes.get(name)
    if (known !== undefined) return this.#call.at(known)
    const lower = name.toLowerCase()
    const index = this.#indexes.get(lower)
    if (index !== undefined) return this.#call.at(index)
    if (!this.#call.declares(every[this.#family])) {
      this.#call.undeclared(`${this.#family}:${lower}`)
      return undefined
    }
    const list = this.#all()
    let value: string | undefined
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] !== lower) continue
      value = value === undefined ? list[i + 1]! : value + (lower === 'cookie' ? '; ' : ', ') + list[i + 1]!
    }
    return value
  }

  entries(): [name: string, value: string][] {
    if (!this.#call.declares(every[this.#family])) this.#call.undeclared(every[this.#family])
    const list = this.#all()
    const entries: [string, string][] = []
    for (let i = 0; i < list.length; i += 2) entries.push([list[i]!, list[i + 1]!])
    return entries
  }

  #all(): string[] {
    this.#list ??= this.#call.items(every[this.#family]) ?? []
    return this.#list
  }
}
