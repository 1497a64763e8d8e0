import type { Fields, SharedFields, SpeltName } from '../http/fields.ts'
import { CODEC, isTreated } from '../http/header-names.ts'

/**
 * Field lines for the wire, each ended by CRLF: names as they arrived, else in lower case. Leaves out the fields that frame
 * the message or control its connection (`CODEC`), `Content-Length` included: the encoder of the head writes them.
 */
export function encodeFields({ list, shared, spelling }: Fields): string {
  const text = spelling === undefined ? encodeList(list) : encodeSpelt(list, spelling)
  return shared === undefined ? text : text + encodeShared(shared)
}

/** The beginning of a line that the codec itself writes: spelt as in the message that it is about. @param name in lower case */
export function lineOf(name: string, { spelling }: Fields): string {
  if (spelling !== undefined) {
    for (let i = 0; i < spelling.length; i++) if (spelling[i]!.lower === name) return spelling[i]!.line
  }
  return name + ': '
}

/** Fields that have stayed are in the order of arrival, and so are the spellings: one look at each is enough. */
function encodeSpelt(list: readonly string[], spelling: readonly SpeltName[]): string {
  let text = ''
  let next = 0
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (isTreated(name, CODEC)) continue
    let at = next
    while (at < spelling.length && spelling[at]!.lower !== name) at++
    if (at === spelling.length) text += name + ': ' + list[i + 1]! + '\r\n'
    else {
      text += spelling[at]!.line + list[i + 1]! + '\r\n'
      next = at + 1
    }
  }
  return text
}

function encodeShared(shared: SharedFields): string {
  // Copied, because V8 keeps a concatenation as a tree, and each write would walk the tree.
  if (typeof shared.encoded !== 'string')
    shared.encoded = Buffer.from(encodeList(shared.list), 'latin1').toString('latin1')
  return shared.encoded as string
}

function encodeList(list: readonly string[]): string {
  let text = ''
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (!isTreated(name, CODEC)) text += name + ': ' + list[i + 1]! + '\r\n'
  }
  return text
}
