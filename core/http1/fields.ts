/**
 * Header fields in the order of arrival: a flat list of lower-case name, value, name, value. Lines of the same name stay
 * apart and in order. Messages have few fields, so looking one up is a walk.
 */
export class Fields {
  readonly list: string[]

  constructor(list: string[] = []) {
    this.list = list
  }

  /** From name, value, name, value as a parser gives them, in any case. */
  static fromRaw(raw: readonly string[]): Fields {
    const list = new Array<string>(raw.length)
    for (let i = 0; i < raw.length; i += 2) {
      list[i] = raw[i]!.toLowerCase()
      list[i + 1] = raw[i + 1]!
    }
    return new Fields(list)
  }

  has(name: string): boolean {
    const { list } = this
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true
    return false
  }

  /** Lines of the same name joined by `, `; cookies by `; ` (RFC 9113 §8.2.3). */
  get(name: string): string | undefined {
    const { list } = this
    let value: string | undefined
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] !== name) continue
      value = value === undefined ? list[i + 1]! : value + (name === 'cookie' ? '; ' : ', ') + list[i + 1]!
    }
    return value
  }

  /** The value of every line of that name. */
  all(name: string): string[] {
    const values: string[] = []
    for (let i = 0; i < this.list.length; i += 2) if (this.list[i] === name) values.push(this.list[i + 1]!)
    return values
  }

  append(name: string, value: string): void {
    this.list.push(name, value)
  }

  /** Replaces every line of that name by one, in the place of the first. */
  set(name: string, value: string): void {
    const { list } = this
    let kept = 0
    let found = false
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) {
        if (found) continue
        found = true
        list[kept] = name
        list[kept + 1] = value
      } else {
        list[kept] = list[i]!
        list[kept + 1] = list[i + 1]!
      }
      kept += 2
    }
    list.length = kept
    if (!found) list.push(name, value)
  }

  delete(name: string): void {
    const { list } = this
    let kept = 0
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) continue
      list[kept] = list[i]!
      list[kept + 1] = list[i + 1]!
      kept += 2
    }
    list.length = kept
  }

  clone(): Fields {
    return new Fields(this.list.slice())
  }
}
