import type { Fields, SharedFields } from '../http/fields.ts'
import { CODEC, isTreated } from '../http/header-names.ts'

/**
 * Field lines for the wire, each ended by CRLF. Leaves out the fields that frame the message or control its connection
 * (`CODEC`), `Content-Length` included: the encoder of the head writes them.
 */
export function encodeFields({ list, shared }: Fields): string {
  return shared === undefined ? encodeList(list) : encodeList(list) + encodeShared(shared)
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
