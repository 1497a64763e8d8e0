import type { Fields, SharedFields } from '../http/fields.ts'
import { CODEC, treatmentOf } from '../http/header-names.ts'

/**
 * Field lines for the wire, each ended by CRLF. Leaves out the fields that frame the message or control its connection
 * (`CODEC`), `Content-Length` included: the encoder of the head writes them.
 */
export function encodeFields({ list, shared }: Fields): string {
  return shared === undefined ? encodeList(list) : encodeList(list) + encodeShared(shared)
}

function encodeShared(shared: SharedFields): string {
  if (typeof shared.encoded !== 'string') shared.encoded = encodeList(shared.list)
  return shared.encoded as string
}

function encodeList(list: readonly string[]): string {
  let text = ''
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if ((treatmentOf(name) & CODEC) === 0) text += name + ': ' + list[i + 1]! + '\r\n'
  }
  return text
}
