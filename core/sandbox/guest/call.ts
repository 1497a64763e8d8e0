import type { HookName } from '../../../sdk/points.ts'
import { ABSENT } from '../../grants/operation.ts'
import { bounds } from '../bounds.ts'
import { decodeField, decodeItems, encodeField, escapeText, flags, OPERATION, op, UNIT } from '../wire.ts'
import { GrantFailure } from './grant-failure.ts'

/** One hook of one policy, as set up when the plugin was loaded. */
export interface HookEntry {
  readonly hook: HookName
  readonly mayAwait: boolean
  /** Field → its index in the input, not counting layer and state. */
  readonly fields: ReadonlyMap<string, number>
  /**
   * The same for declared headers, by name without family: building the full field name takes longer than the look-up.
   */
  readonly headers: ReadonlyMap<string, number>
  readonly responseHeaders: ReadonlyMap<string, number>
  readonly options: unknown
  /** Most grant operations of one call. */
  readonly operations: number
  readonly needs: readonly string[]
  /** Undeclared reads that the realm has reported to the host. */
  readonly undeclared: Set<string>
}

interface Waiting {
  readonly number: number
  readonly operation: string
  readonly resolve: (values: readonly string[]) => void
  readonly reject: (error: Error) => void
}

/** One call of a hook: its input, still encoded, and the operations it has asked for so far. */
export class GuestCall {
  readonly id: number
  readonly entry: HookEntry
  ended = false
  /** Sends records after the hook's first return; `undefined` while the dispatcher collects them. */
  emit: ((id: number, record: string) => void) | undefined = undefined
  /** It has asked for a grant since its last record. */
  asks = false
  /** Its last record, once it has ended, until the dispatcher collects it. */
  result = ''
  readonly #bits: number
  readonly #state: string
  // Its first fields each in a place of their own: a list would have to be made, and be collected again.
  readonly #a: string
  readonly #b: string
  readonly #c: string
  readonly #d: string
  readonly #e: string
  readonly #f: string
  readonly #g: string
  readonly #h: string
  /** All fields, when there are more. */
  readonly #all: readonly string[] | undefined
  /** Grants whose results are still to come: seldom more than one, so that a list is faster than a map. */
  #waiting: Waiting[] | undefined
  #record = ''
  #notes = ''
  #noted = 0
  #operations = 0
  #size = 0
  #grants = 0
  /** The body that it has written, until it is taken. */
  #body = ''
  #hasBody = false

  /** @param bits of `wire.flags`. @param all in the place of the fields before it, when there are more than eight. */
  constructor(
    id: number,
    entry: HookEntry,
    bits: number,
    state: string,
    a: string,
    b: string,
    c: string,
    d: string,
    e: string,
    f: string,
    g: string,
    h: string,
    all?: readonly string[],
  ) {
    this.id = id
    this.entry = entry
    this.#bits = bits
    this.#state = state
    this.#a = a
    this.#b = b
    this.#c = c
    this.#d = d
    this.#e = e
    this.#f = f
    this.#g = g
    this.#h = h
    this.#all = all
  }

  get layer(): 'L4' | 'L7' {
    return (this.#bits & flags.isL4) === 0 ? 'L7' : 'L4'
  }

  get state(): string | undefined {
    return decodeField(this.#state)
  }

  declares(field: string): boolean {
    return this.entry.fields.has(field)
  }

  /** A declared field; `undefined` when it is absent, and when it is not declared. */
  field(name: string): string | undefined {
    const index = this.entry.fields.get(name)
    if (index !== undefined) return this.at(index)
    this.undeclared(name)
    return undefined
  }

  /** Reports to the host, once for each field, that a hook reads a field that its plugin does not declare. */
  undeclared(field: string): void {
    const { undeclared } = this.entry
    if (this.ended || undeclared.size >= bounds.undeclared.fields) return
    const name = field.slice(0, bounds.undeclared.name)
    if (undeclared.has(name)) return
    undeclared.add(name)
    this.#notes = joined(this.#notes, op.undeclared + UNIT + escapeText(name))
  }

  #part(index: number): string {
    if (this.#all !== undefined) return this.#all[index] ?? ABSENT
    switch (index) {
      case 0:
        return this.#a
      case 1:
        return this.#b
      case 2:
        return this.#c
      case 3:
        return this.#d
      case 4:
        return this.#e
      case 5:
        return this.#f
      case 6:
        return this.#g
      case 7:
        return this.#h
      default:
        return ABSENT
    }
  }

  /** The value of a declared field, by its index. */
  at(index: number): string | undefined {
    return decodeField(this.#part(index))
  }

  /** A declared field that is a list. */
  items(name: string): string[] | undefined {
    const index = this.entry.fields.get(name)
    const part = index === undefined ? ABSENT : this.#part(index)
    return part === ABSENT ? undefined : decodeItems(part)
  }

  /**
   * Asks the host for an operation. Arguments must be strings, as checked by the caller; `undefined` stands for
   * absence.
   */
  write(code: string, ...args: readonly (string | undefined)[]): void {
    let operation = code
    for (let i = 0; i < args.length; i++) operation += UNIT + encodeField(args[i])
    this.append(operation)
  }

  /** Asks the host to replace the body, or the chunk, that the hook was given. */
  writeBody(base64: string): void {
    if (this.#hasBody) throw new Error('one call may write one body')
    if (base64.length > bounds.body) throw new RangeError('a written body holds 1,048,576 bytes at most')
    this.#admit(op.body)
    this.#hasBody = true
    this.#body = op.body + base64
  }

  /** @param operation encoded already. */
  append(operation: string): void {
    this.#admit(operation)
    this.#record += this.#record === '' ? operation : OPERATION + operation
  }

  #admit(operation: string): void {
    if (this.ended) throw new Error(`${this.entry.hook} has ended and can no longer change anything`)
    this.#operations++
    this.#size += operation.length + 1
    if (this.#operations > bounds.operations) {
      throw new RangeError(`one call may ask for ${bounds.operations} things at most`)
    }
    if (this.#size > bounds.record) throw new RangeError(`one call may write ${bounds.record} characters at most`)
  }

  /**
   * Asks for an operation without a result. It is kept even when the hook throws, since a log may explain the error.
   */
  note(operation: string, values: readonly string[]): void {
    if (this.#noted++ >= bounds.notes || this.ended) return
    let text = op.note + UNIT + operation
    for (const value of values) text += UNIT + escapeText(value)
    if (this.#size + text.length >= bounds.record) return
    this.#size += text.length + 1
    this.#notes += this.#notes === '' ? text : OPERATION + text
  }

  /** Asks for a grant operation; resolves with its result. */
  grant(operation: string, values: readonly string[]): Promise<readonly string[]> {
    const result = new Promise<readonly string[]>((resolve, reject) => {
      const { operations } = this.entry
      if (this.#grants >= operations) {
        throw new GrantFailure(operation, `one hook call may use ${operations} grant operations at most`)
      }
      const number = ++this.#grants
      let text = `${op.grant}${UNIT}${number}${UNIT}${operation}`
      for (const value of values) text += UNIT + escapeText(value)
      this.append(text)
      this.asks = true
      const waiting = { number, operation, resolve, reject }
      if (this.#waiting === undefined) this.#waiting = [waiting]
      else this.#waiting.push(waiting)
      this.emit?.(this.id, this.take() + OPERATION + op.wait)
    })
    // A hook that ignores the result must not cause an unhandled rejection.
    result.catch(ignore)
    return result
  }

  /** The result of a grant: `number UNIT ok UNIT value …`, or `number UNIT '' UNIT message`. */
  resume(text: string): void {
    // By index: destructuring would iterate over the list.
    const parts = text.split(UNIT)
    const waiting = this.#takeWaiting(Number(parts[0]))
    if (waiting === undefined) return
    const plain: string[] = []
    for (let i = 2; i < parts.length; i++) plain.push(decodeField(parts[i]!) ?? '')
    if (parts[1] === '') waiting.reject(new GrantFailure(waiting.operation, plain[0] ?? ''))
    else waiting.resolve(plain)
  }

  #takeWaiting(number: number): Waiting | undefined {
    const list = this.#waiting
    if (list === undefined) return undefined
    for (let i = 0; i < list.length; i++) {
      const waiting = list[i]!
      if (waiting.number !== number) continue
      if (list.length === 1) this.#waiting = undefined
      else list.splice(i, 1)
      return waiting
    }
    return undefined
  }

  /** Takes the record of everything asked for since the last time. */
  take(): string {
    const record = this.#record
    const body = this.#body
    this.#record = ''
    this.#body = ''
    this.asks = false
    return joined(body, joined(this.takeNotes(), record))
  }

  /** Takes the notes only: all that is kept of a call that has failed. */
  takeNotes(): string {
    const notes = this.#notes
    this.#notes = ''
    return notes
  }
}

function ignore(): void {}

/** Two parts of a record, either of which may be empty. */
export function joined(first: string, second: string): string {
  return first === '' || second === '' ? first + second : first + OPERATION + second
}
