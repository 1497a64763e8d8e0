import type { Fields, SharedFields, Spelling, SpeltName } from '../http/fields.ts'
import { CODEC, isTreated } from '../http/header-names.ts'

/**
 * Field lines for the wire, each ended by CRLF: names as they arrived, else in lower case. Leaves out the fields that frame
 * the message or control its connection (`CODEC`), `Content-Length` included: the encoder of the head writes them.
 */
export function encodeFields({ list, shared, spelling }: Fields): string {
  let text: string
  if (spelling === undefined) text = encodeList(list)
  else if (spelling.isShared) text = encodeKnown(list, spelling)
  else text = encodeSpelt(list, 0, list.length, spelling.names)
  return shared === undefined ? text : text + encodeShared(shared)
}

/** The beginning of a line that the codec itself writes: spelt as in the message that it is about. @param name in lower case */
export function lineOf(name: string, { spelling }: Fields): string {
  if (spelling !== undefined) {
    const { names } = spelling
    for (let i = 0; i < names.length; i++) if (names[i]!.lower === name) return names[i]!.line
  }
  return name + ': '
}

/** Index of the spelling at which `encodeSpelt` goes on. */
let next = 0

/** Fields that have stayed are in the order of arrival, and so are the spellings: one look at each is enough. */
function encodeSpelt(list: readonly string[], from: number, to: number, names: readonly SpeltName[]): string {
  let text = ''
  if (from === 0) next = 0
  for (let i = from; i < to; i += 2) {
    const name = list[i]!
    if (isTreated(name, CODEC)) continue
    let at = next
    while (at < names.length && names[at]!.lower !== name) at++
    if (at === names.length) text += name + ': ' + list[i + 1]! + '\r\n'
    else {
      text += names[at]!.line + list[i + 1]! + '\r\n'
      next = at + 1
    }
  }
  return text
}

/** The lines with which messages begin that have arrived with the same fields. */
class Beginning {
  readonly list: readonly string[]
  readonly text: string
  /** Index of the spelling for what follows. */
  readonly next: number

  constructor(list: readonly string[], names: readonly SpeltName[]) {
    this.list = list
    this.text = flat(encodeSpelt(list, 0, list.length, names))
    this.next = next
  }
}

/** Most messages with the same fields leave with the same ones, too, but for the last, which the gateway adds. */
function encodeKnown(list: readonly string[], spelling: Spelling): string {
  const { names } = spelling
  const before = spelling.encoded as Beginning | undefined
  const same = before === undefined ? list.length : countSame(before.list, list)
  if (before === undefined || same < before.list.length) {
    spelling.encoded = new Beginning(list.slice(0, same), names)
    return encodeSpelt(list, 0, list.length, names)
  }
  next = before.next
  return same === list.length ? before.text : before.text + encodeSpelt(list, same, list.length, names)
}

/** How many elements are equal, as pairs of name and value. */
function countSame(a: readonly string[], b: readonly string[]): number {
  let count = 0
  while (count < a.length && a[count] === b[count] && a[count + 1] === b[count + 1]) count += 2
  return count
}

function encodeShared(shared: SharedFields): string {
  if (typeof shared.encoded !== 'string') shared.encoded = flat(encodeList(shared.list))
  return shared.encoded as string
}

/** A copy of a text, because V8 keeps a concatenation as a tree, and each write would walk the tree. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

function encodeList(list: readonly string[]): string {
  let text = ''
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (!isTreated(name, CODEC)) text += name + ': ' + list[i + 1]! + '\r\n'
  }
  return text
}
