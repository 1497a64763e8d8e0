/**
 * The strings that cross the boundary between host and isolate. Used on both sides, so it knows nothing of either.
 *
 * One call's input: `layer UNIT state UNIT field UNIT field …`, fields in the order compiled for that hook.
 * One crossing in: four pieces a step, all joined by RECORD: `plugin RECORD call RECORD entry RECORD text …`. An entry
 * of 0 or more starts a hook and its text is the input; the others are those of `entry`. A call that begins with CHAINED
 * is left out when the record of the step before it ends the segment, or when that one was left out itself.
 * One crossing out: `done RECORD record RECORD record …`, or nothing at all when every step was done and no hook had
 * anything to say. A record is `call OPERATION operation OPERATION operation …`; an operation is
 * `code UNIT argument UNIT argument …`, every argument escaped.
 */

/** Between the records of one crossing. */
export const RECORD = '\x1c'
/** Between the operations of one record. */
export const OPERATION = '\x1d'
/** Between the arguments of one operation, and between the fields of one call. */
export const UNIT = '\x1e'
/** Between the items inside one field: header lines, backends. */
export const ITEM = '\x1f'
/** Before the call of a step whose turn comes only if the step before it went on. */
export const CHAINED = '+'
/** Stands for a value that is absent, which is not the same as an empty one. */
export const ABSENT = '\x1a'

const special = /[\x1a-\x1f]/
const specials = /[\x1a-\x1f]/g
const escaped = /\x1b[Z-_]/g

/** Makes any string safe to stand between separators. Strings without control characters come back as they are. */
export function escapeText(value: string): string {
  if (!special.test(value)) return value
  return value.replace(specials, (c) => '\x1b' + String.fromCharCode(c.charCodeAt(0) + 0x40))
}

/** Undoes `escapeText`. */
export function unescapeText(value: string): string {
  if (value.indexOf('\x1b') === -1) return value
  return value.replace(escaped, (pair) => String.fromCharCode(pair.charCodeAt(1) - 0x40))
}

/** A value or its absence as one field. */
export function encodeField(value: string | undefined): string {
  return value === undefined ? ABSENT : escapeText(value)
}

/** Undoes `encodeField`. */
export function decodeField(field: string): string | undefined {
  return field === ABSENT ? undefined : unescapeText(field)
}

/** A list of strings as one field; their number is the reader's to know. */
export function encodeItems(items: readonly string[]): string {
  let field = ''
  for (let i = 0; i < items.length; i++) field += (i === 0 ? '' : ITEM) + escapeText(items[i]!)
  return field
}

/** Undoes `encodeItems`; no items and one empty item look the same and decode to no items. */
export function decodeItems(field: string): string[] {
  return field === '' ? [] : field.split(ITEM).map(unescapeText)
}

/**
 * First argument of an operation: what the plugin's code asks of the host.
 *
 * | code | arguments | meaning |
 * |---|---|---|
 * | `H` `h` | name, value · name | set, remove a request header |
 * | `R` `A` `r` | name, value · name, value · name | set, append, remove a response header |
 * | `U` | name | use upstream |
 * | `C` | name or ABSENT | consumer |
 * | `Q` | base64 | the body, or the chunk of it, that takes the place of the one the hook was given |
 * | `S` | text or ABSENT | state for the later hooks of the flow |
 * | `B` | index | the backend chosen among those offered |
 * | `V` | 1 or nothing, weight or ABSENT, why or ABSENT | a backend is healthy, or not |
 * | `Y` | status, body, reason, name, value, … | reply |
 * | `O` | number, grant.operation, argument, … | a grant is to do something; its result comes back by `resume` |
 * | `N` | grant.operation, argument, … | a grant is to do something that has no result: a log line, a metric |
 * | `D` | field | a field was read that is not declared; said once for each field in the life of a realm |
 * | `E` | kind, message, stack | the hook threw |
 * | `W` | | last of its record: the hook waits for grants, more records of this call will follow |
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

/** Entries that start no hook: a grant has its result, a call is not wanted any more. */
export const entry = { resume: -1, drop: -2 } as const

const ends: readonly string[] = [op.reply, op.backend, op.health, op.error, op.wait]

/**
 * Whether the policies behind this one in a segment have no turn, or not yet: their hook's last operation is a reply, a
 * chosen backend, a backend's health, an error or a wait. Both sides ask this of the same string, so they agree about what has run.
 */
export function endsSegment(record: string): boolean {
  if (record === '') return false
  const code = record[record.lastIndexOf(OPERATION) + 1]
  return code !== undefined && ends.includes(code)
}
