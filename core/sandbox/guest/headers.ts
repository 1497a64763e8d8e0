import type { GuestCall } from './call.ts'

/** Headers of a declared `header:*` or `response.header:*`, decoded when they are first asked for. */
export class Headers {
  readonly #call: GuestCall
  /** `header` or `response.header`. */
  readonly #family: string
  #list: string[] | undefined

  constructor(call: GuestCall, family: string) {
    this.#call = call
    this.#family = family
  }

  get(name: string): string | undefined {
    const lower = name.toLowerCase()
    const field = `${this.#family}:${lower}`
    if (this.#call.declares(field)) return this.#call.field(field)
    if (!this.#call.declares(`${this.#family}:*`)) {
      this.#call.undeclared(field)
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
    if (!this.#call.declares(`${this.#family}:*`)) this.#call.undeclared(`${this.#family}:*`)
    const list = this.#all()
    const entries: [string, string][] = []
    for (let i = 0; i < list.length; i += 2) entries.push([list[i]!, list[i + 1]!])
    return entries
  }

  #all(): string[] {
    this.#list ??= this.#call.items(`${this.#family}:*`) ?? []
    return this.#list
  }
}
