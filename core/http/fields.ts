import { isFieldValue, isToken } from './field-problem.ts'

/**
 * Header fields in the order of arrival: a flat list of lower-case name, value, name, value. Lines of the same name stay
 * apart and in order. Messages have few fields, so looking one up is a walk.
 *
 * The contents can go on the wire unchanged: a name that is not a token is dropped, and a character that is not allowed in
 * a value becomes a space (RFC 9110 §5.5). This is checked when fields are added, so that forwarding them costs nothing.
 * Code that changes `list` directly must add only valid names and values.
 */
export class Fields {
  readonly list: string[]
  /** Fields that go on the wire after those of `list`; `get`, `has` and `all` do not find them. */
  shared: SharedFields | undefined
  readonly #spelling: readonly SpeltName[] | undefined

  /**
   * @param list used without a copy: the caller must not use it afterwards
   * @param isChecked whether names and values are known to be valid, as those from a parser are. Default: false, so invalid
   *   ones are dropped or cleaned.
   * @param spelling names in the order of `list`, as they arrived. Default: none, so names are sent in lower case.
   */
  constructor(list: string[] = [], isChecked = false, spelling?: readonly SpeltName[]) {
    this.list = list
    this.#spelling = spelling
    if (!isChecked && list.length > 0) cleanAll(list)
  }

  /**
   * The names that arrived with the message, in order, those included that `list` no longer has. Devices exist that know a
   * name in one spelling only, so the codec sends on what has stayed as it was spelt.
   */
  get spelling(): readonly SpeltName[] | undefined {
    return this.#spelling
  }

  /** From name, value, name, value as a parser gives them, in any case. */
  static fromRaw(raw: readonly string[]): Fields {
    const list = new Array<string>(raw.length)
    for (let i = 0; i < raw.length; i += 2) {
      list[i] = raw[i]!.toLowerCase()
      list[i + 1] = raw[i + 1]!
    }
    return new Fields(list, true)
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
    if (isToken(name)) this.list.push(name, cleanValue(value))
  }

  /** Replaces every line of that name by one, in the place of the first. */
  set(name: string, value: string): void {
    if (isToken(name)) this.put(name, cleanValue(value))
  }

  /** `set` for a name and a value that are known to be valid. */
  put(name: string, value: string): void {
    const { list } = this
    const at = this.#find(name, 0)
    if (at === list.length) list.push(name, value)
    else {
      list[at + 1] = value
      this.#remove(name, at + 2)
    }
  }

  delete(name: string): void {
    this.#remove(name, 0)
  }

  #find(name: string, from: number): number {
    const { list } = this
    let at = from
    while (at < list.length && list[at] !== name) at += 2
    return at
  }

  #remove(name: string, from: number): void {
    const { list } = this
    let kept = this.#find(name, from)
    // Setting the length of an array, even to its present value, costs more than the rest of this function.
    if (kept === list.length) return
    for (let i = kept; i < list.length; i += 2) {
      if (list[i] === name) continue
      list[kept] = list[i]!
      list[kept + 1] = list[i + 1]!
      kept += 2
    }
    list.length = kept
  }
}

/** A name as it was spelt. */
export interface SpeltName {
  readonly lower: string
  /** The beginning of its line: the name as it was spelt, a colon and a space. */
  readonly line: string
}

/** Fields that many messages carry one after the other; as sound as others, and never altered. */
export class SharedFields {
  /** Name, value, name, value. */
  readonly list: readonly string[]
  /** Where the codec that sent them keeps what it made of them. Only a codec looks at it, and believes only what it made. */
  encoded: unknown

  constructor(list: readonly string[]) {
    this.list = list
  }
}

function cleanAll(list: string[]): void {
  let kept = 0
  for (let i = 0; i < list.length; i += 2) {
    if (!isToken(list[i]!)) continue
    list[kept] = list[i]!
    list[kept + 1] = cleanValue(list[i + 1]!)
    kept += 2
  }
  list.length = kept
}

/** Also replaces characters above 0xFF: written as latin1 they would become other ones, U+010A a line feed. */
function cleanValue(value: string): string {
  return isFieldValue(value) ? value : value.replace(/[^\t\x20-\x7e\x80-\xff]/g, ' ')
}
