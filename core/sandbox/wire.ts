import { ABSENT } from '../grants/operation.ts'

/**
 * The strings that cross the boundary between host and isolate. Both sides use this file, so it depends on neither.
 *
 * One call's input: `layer UNIT state UNIT field UNIT field …`, fields in the order compiled for that hook.
 * One record: `body OPERATION operation OPERATION operation …`, mostly without the body; an operation is `code UNIT
 * argument UNIT argument …`, every argument escaped. `frame.ts` describes the frame around inputs and records.
 */

/** Between the records of one crossing. */
export const RECORD = '\x1c'
/** Between the operations of one record. */
export const OPERATION = '\x1d'
/** Between the arguments of one operation, and between the fields of one call. */
export const UNIT = '\x1e'
/** Between the items inside one field: header lines, backends. */
export const ITEM = '\x1f'
/** Precedes an escaped character. */
export const ESCAPE = '\x1b'

/** First of the 64 characters that serve as digits; none of them is a separator. */
export const zero = 0x30

/** What the input of a run begins with, added to `zero`: the layer is L4, and a state of each member follows. */
export const flags = { isL4: 1, hasStates: 2 } as const

const flagTexts = [0, 1, 2, 3].map((bits) => String.fromCharCode(zero + bits))

/** The first character of the input of a run. */
export function flagsOf(layer: 'L4' | 'L7', hasStates: boolean): string {
  return flagTexts[(layer === 'L4' ? flags.isL4 : 0) + (hasStates ? flags.hasStates : 0)]!
}

const special = /[\x1a-\x1f]/
/**
 * Up to this length a loop over the characters is faster than the regular expression: 10 to 20 ns for a header instead
 * of 50.
 */
const short = 40
const specials = /[\x1a-\x1f]/g
const escaped = /\x1b[Z-_]/g

/** Makes any string safe between separators. Strings without control characters are returned unchanged. */
export function escapeText(value: string): string {
  if (!holdsSpecial(value)) return value
  return value.replace(specials, (c) => ESCAPE + String.fromCharCode(c.charCodeAt(0) + 0x40))
}

function holdsSpecial(value: string): boolean {
  if (value.length > short) return special.test(value)
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code >= 0x1a && code <= 0x1f) return true
  }
  return false
}

/** Undoes `escapeText`. */
export function unescapeText(value: string): string {
  if (!value.includes(ESCAPE)) return value
  return value.replace(escaped, (pair) => String.fromCharCode(pair.charCodeAt(1) - 0x40))
}

/** Encodes a value, or its absence, as one field. */
export function encodeField(value: string | undefined): string {
  return value === undefined ? ABSENT : escapeText(value)
}

/** Undoes `encodeField`. */
export function decodeField(field: string): string | undefined {
  return field === ABSENT ? undefined : unescapeText(field)
}

/** Encodes a list of strings as one field. The reader has to know how many there are. */
export function encodeItems(items: readonly string[]): string {
  let field = ''
  for (let i = 0; i < items.length; i++) field += (i === 0 ? '' : ITEM) + escapeText(items[i]!)
  return field
}

/** Undoes `encodeItems`. No items and one empty item have the same form and decode to no items. */
export function decodeItems(field: string): string[] {
  return field === '' ? [] : field.split(ITEM).map(unescapeText)
}

/**
 * Operation codes: what the plugin's code asks the host to do. The code is the first part of an operation.
 *
 * A body is not an operation of its record but stands before them, so that the host never searches through it: `Q`,
 * base64, and an OPERATION when operations follow. No other record begins with `Q`.
 *
 * | code | arguments | meaning |
 * |---|---|---|
 * | `H` `h` | name, value · name | set, remove a request header |
 * | `R` `A` `r` | name, value · name, value · name | set, append, remove a response header |
 * | `U` | name | use upstream |
 * | `C` | name or ABSENT | consumer |
 * | `Q` | base64 | replaces the body, or the chunk, that the hook was given |
 * | `S` | text or ABSENT | state for the later hooks of the flow |
 * | `B` | index | the backend chosen among those offered |
 * | `V` | 1 or nothing, weight or ABSENT, why or ABSENT | whether a backend is healthy |
 * | `Y` | status, body, reason, name, value, … | reply |
 * | `O` | number, grant.operation, argument, … | a grant operation; its result comes back by `resume` |
 * | `N` | grant.operation, argument, … | a grant operation without a result: a log line, a metric |
 * | `D` | field | an undeclared field was read; sent once for each field in the life of a realm |
 * | `E` | kind, message, stack | the hook threw |
 * | `W` | | last in its record: the hook waits for grants, and more records of this call will follow |
 */
export const op = {
  setHeader: 'H',
  removeHeader: 'h',
  setResponseHeader: 'R',
  appendResponseHeader: 'A',
  removeResponseHeader: 'r',
  useUpstream: 'U',
  consumer: 'C',
  state: 'S',
  body: 'Q',
  backend: 'B',
  health: 'V',
  reply: 'Y',
  grant: 'O',
  note: 'N',
  undeclared: 'D',
  error: 'E',
  wait: 'W',
} as const

/** Entries that start no hook. `resume`: brings the result of a grant. `drop`: the call is no longer needed. */
export const entry = {
  resume: -1,
  drop: -2,
  /** As `resume`, for a hook whose records are collected: that is how it begins, and how it is again from now on. */
  answer: -3,
  /**
   * Returns what the hook has asked for since the last time. When the hook has ended: its last record, or
   * `frame.ended`.
   */
  collect: -4,
  /** As `collect`, whether or not it asks for anything; from now on the hook sends its records itself. */
  release: -5,
} as const

/** Whether more records of the hook will follow. */
export function waits(record: string): boolean {
  const { length } = record
  // By character, because this runs for every record of a crossing.
  if (record.charCodeAt(length - 1) !== wait) return false
  return length === 1 || record.charAt(length - 2) === OPERATION
}

const wait = op.wait.charCodeAt(0)

const ends = new Set([op.reply, op.backend, op.health, op.error, op.wait].map((code) => code.charCodeAt(0)))

/**
 * Whether the later policies of a run have no turn, or not yet: the last operation of the record is a reply, a chosen
 * backend, a backend's health, an error or a wait. Both sides check the same string, so they agree on which steps have
 * run.
 */
export function endsRun(record: string): boolean {
  if (record === '') return false
  return ends.has(record.charCodeAt(record.lastIndexOf(OPERATION) + 1))
}
