import { isFieldText, isToken } from './field-problem.ts'
import { asValue, textOf } from './field-text.ts'

/**
 * Header fields in the order of arrival: a flat list of lower-case name, value, name, value. Lines of the same name stay
 * apart and in order. Messages have few fields, so looking one up is a walk.
 *
 * The values of `list` have a character for each byte on the wire. Code that adds a text uses `set` and `append`, code that
 * shows a value to people or plugins uses `text`.
 *
 * The contents can go on the wire unchanged: a name that is not a token is dropped, and a character that is not allowed in
 * a value becomes a space (RFC 9110 §5.5). This is checked when fields are added, so that forwarding them costs nothing.
 * Code that changes `list` directly must add only valid names and values.
 */
export class Fields {
  readonly list: string[]
  /** Fields that go on the wire after those of `list`; `get`, `has` and `all` do not find them. */
  shared: SharedFields | undefined
  /** Names of fields whose values are secrets, as the sender has said in HTTP/2 (RFC 7541 §7.1.3). Only its codec looks at them. */
  secrets: ReadonlySet<string> | undefined
  readonly #spelling: Spelling | undefined

  /**
   * @param list used without a copy: the caller must not use it afterwards
   * @param isChecked whether names and values are known to be valid, as those from a parser are. Default: false, so the
   *   values are text, and what is invalid is dropped or cleaned.
   * @param spelling of the names in `list`. Default: none, so they are sent in lower case.
   */
  constructor(list: string[] = [], isChecked = false, spelling?: Spelling) {
    this.list = list
    this.#spelling = spelling
    if (!isChecked && list.length > 0) cleanAll(list)
  }

  /**
   * The names that arrived with the message, in order, those included that `list` no longer has. Devices exist that know a
   * name in one spelling only, so the codec sends on what has stayed as it was spelt.
   */
  get spelling(): Spelling | undefined {
    return this.#spelling
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

  /** `get`, as text: each line is read by itself, as UTF-8 where it is, else as ISO-8859-1. */
  text(name: string): string | undefined {
    const { list } = this
    let text: string | undefined
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] !== name) continue
      const line = textOf(list[i + 1]!)
      text = text === undefined ? line : text + (name === 'cookie' ? '; ' : ', ') + line
    }
    return text
  }

  /** Name, value, name, value, the values as text. */
  get texts(): string[] {
    return this.list.map(textOf)
  }

  /** The value of every line of that name. */
  all(name: string): string[] {
    const values: string[] = []
    for (let i = 0; i < this.list.length; i += 2) if (this.list[i] === name) values.push(this.list[i + 1]!)
    return values
  }

  append(name: string, text: string): void {
    if (isToken(name)) this.list.push(name, cleanValue(text))
  }

  /** Replaces every line of that name by one, in the place of the first. */
  set(name: string, text: string): void {
    if (isToken(name)) this.put(name, cleanValue(text))
  }

  /** `set` for a name and a value that are known to be valid; a value has a character for each byte. */
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
    if (kept === list.length) return
    for (let i = kept; i < list.length; i += 2) {
      if (list[i] === name) continue
      list[kept] = list[i]!
      list[kept + 1] = list[i + 1]!
      kept += 2
    }
    shorten(list, kept)
  }
}

/** A name as it was spelt. */
export interface SpeltName {
  readonly lower: string
  /** The beginning of its line: the name as it was spelt, a colon and a space. */
  readonly line: string
}

/** The names of a message as they arrived, in order. */
export class Spelling {
  readonly names: readonly SpeltName[]
  /** Whether several messages have these names with the same values. */
  readonly isShared: boolean
  /** Where a codec keeps what it made of the fields, if it is shared. */
  encoded: unknown

  constructor(names: readonly SpeltName[], isShared: boolean = false) {
    this.names = names
    this.isShared = isShared
  }
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
  shorten(list, kept)
}

function cleanValue(text: string): string {
  return asValue(isFieldText(text) ? text : text.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' '))
}

/** Removes what is behind the first `length` elements. Setting the length of an array costs more than all of `removeHopByHop`. */
export function shorten(list: string[], length: number): void {
  while (list.length > length) list.pop()
}
