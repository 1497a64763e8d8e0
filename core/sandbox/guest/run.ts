import { ABSENT } from '../../grants/operation.ts'
import { bounds } from '../bounds.ts'
import type { WrittenField } from '../plugin.ts'
import type { MemberShape, RunShape } from '../run-shape.ts'
import { ESCAPE, flags, OPERATION, op, UNIT } from '../wire.ts'
import { RecordJudge } from './record-judge.ts'

/** Starts a hook from its input as one string. */
export type Enter = (id: number, entry: number, text: string) => unknown

/** Starts a hook from its fields, each a string: nothing has to be cut apart in the plugin's realm. */
export type Start = (id: number, entry: number, flags: number, state: string, ...fields: string[]) => unknown

/** The dispatcher's realm loses its globals. */
const List = Array
/** Longest text that the values of a run may keep, characters: a group has as many as 4,096 runs. */
const longestKept = 2_048
/** Most fields that `Start` takes. */
const mostFields = 8

/** A run in the dispatcher. */
export class GuestRun {
  readonly chained: boolean
  readonly members: readonly Member[]
  /** How many fields the input has, and with states. */
  readonly fields: number
  readonly all: number
  /**
   * The values of the call whose turn it is, from index 1 on: fields, then the states of the members. One list for all
   * calls: with frozen prototypes, making and filling one takes longer than a hook.
   */
  readonly values: string[]

  constructor(
    { chained, fields, members }: RunShape,
    starts: readonly (Start | undefined)[],
    enters: readonly Enter[],
  ) {
    this.chained = chained
    this.fields = fields
    this.all = fields + members.length
    this.members = members.map(
      (member, k) => new Member(member, fields + 1 + k, starts[member.plugin], enters[member.plugin]!),
    )
    this.values = new List<string>(this.all + 1).fill(ABSENT)
  }

  /**
   * The values are no longer needed. They are slices, which keep all of the crossing's text until the next call of the run.
   *
   * @param length characters of that text.
   */
  forget(length: number): void {
    const { values } = this
    if (length > longestKept) for (let i = 1; i < values.length; i++) values[i] = ABSENT
  }
}

/** One policy of a run. */
export class Member {
  readonly plugin: number
  readonly written: readonly WrittenField[]
  readonly judge: RecordJudge
  readonly entry: number
  readonly #enter: Enter
  readonly #start: Start | undefined
  readonly #fields: readonly number[]
  /** Index of its state among the values. */
  readonly #state: number
  // Indexes of its fields among the values; of an absent one, 0, where it has fewer.
  readonly #a: number
  readonly #b: number
  readonly #c: number
  readonly #d: number
  readonly #e: number
  readonly #f: number
  readonly #g: number
  readonly #h: number

  constructor(shape: MemberShape, state: number, start: Start | undefined, enter: Enter) {
    const { plugin, entry, fields, written } = shape
    this.judge = new RecordJudge(shape)
    this.plugin = plugin
    this.written = written
    this.entry = entry
    this.#enter = enter
    this.#start = fields.length > mostFields ? undefined : start
    this.#fields = fields
    this.#state = state
    const at = (i: number): number => (i < fields.length ? fields[i]! + 1 : 0)
    this.#a = at(0)
    this.#b = at(1)
    this.#c = at(2)
    this.#d = at(3)
    this.#e = at(4)
    this.#f = at(5)
    this.#g = at(6)
    this.#h = at(7)
  }

  /** Calls the hook with its own fields, and no others. */
  call(id: number, bits: number, v: readonly string[]): unknown {
    const state = (bits & flags.hasStates) === 0 ? ABSENT : v[this.#state]!
    // Called as plain functions: as methods they would get this object as `this`.
    const start = this.#start
    if (start === undefined) return this.#callWithText(id, bits, state, v)
    return start(
      id,
      this.entry,
      bits,
      state,
      v[this.#a]!,
      v[this.#b]!,
      v[this.#c]!,
      v[this.#d]!,
      v[this.#e]!,
      v[this.#f]!,
      v[this.#g]!,
      v[this.#h]!,
    )
  }

  #callWithText(id: number, bits: number, state: string, v: readonly string[]): unknown {
    let text = ((bits & flags.isL4) === 0 ? 'L7' : 'L4') + UNIT + state
    for (let i = 0; i < this.#fields.length; i++) text += UNIT + v[this.#fields[i]! + 1]!
    const enter = this.#enter
    return enter(id, this.entry, text)
  }

  /**
   * Puts what its record writes into the values that later members are given.
   *
   * @returns false when that cannot be told here, as a record may hold any text: the host has to read it first.
   */
  overlay(record: string, values: string[]): boolean {
    for (let i = 0; i < this.written.length; i++) {
      const { field, header } = this.written[i]!
      const value = writtenIn(record, header, values[field + 1]!)
      if (value === undefined) return false
      values[field + 1] = value
    }
    return true
  }
}

const codes = {
  consumer: op.consumer.charCodeAt(0),
  set: op.setHeader.charCodeAt(0),
  remove: op.removeHeader.charCodeAt(0),
} as const
/** The host refuses longer ones. */
const longest = 8_192
/** From this character on a header may read differently from what was written. */
const beyondAscii = 0x80

/** The value of a field behind a record; `undefined` when it cannot be told. @param before its value without the record. */
function writtenIn(record: string, header: string | undefined, before: string): string | undefined {
  if (record.length > bounds.pinned || record.includes(ESCAPE)) return undefined
  let value = before
  for (let at = 0; at < record.length; ) {
    const found = record.indexOf(OPERATION, at)
    const end = found === -1 ? record.length : found
    const code = record.charCodeAt(at)
    if (header === undefined) {
      if (code === codes.consumer) value = argument(record, at + 2, end)
    } else if (code === codes.set || code === codes.remove) {
      const name = argument(record, at + 2, end)
      if (name === header || name.toLowerCase() === header) {
        value = code === codes.remove ? ABSENT : argument(record, at + 3 + name.length, end)
      }
    }
    at = end + 1
  }
  if (value === before) return value
  return value.length <= longest && (header === undefined || isPlain(value)) ? value : undefined
}

/** The argument of an operation that begins here. */
function argument(record: string, from: number, end: number): string {
  const piece = record.slice(from, end)
  const unit = piece.indexOf(UNIT)
  return unit === -1 ? piece : piece.slice(0, unit)
}

function isPlain(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) >= beyondAscii) return false
  return true
}
