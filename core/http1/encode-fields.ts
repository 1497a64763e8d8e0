import type { Fields } from '../http/fields.ts'
import { CODEC, treatmentOf } from '../http/header-names.ts'

/** Encoded text of `Fields.shared`, by list. */
const encoded = new WeakMap<readonly string[], string>()

/**
 * Field lines for the wire, each ended by CRLF. Leaves out the fields that frame the message or control its connection
 * (`CODEC`), `Content-Length` included: the encoder of the head writes them.
 */
export function encodeFields({ list, shared }: Fields): string {
  const text = encodeList(list)
  if (shared.length === 0) return text
  let tail = encoded.get(shared)
  if (tail === undefined) {
    tail = encodeList(shared)
    encoded.set(shared, tail)
  }
  return text + tail
}

function encodeList(list: readonly string[]): string {
  let text = ''
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if ((treatmentOf(name) & CODEC) === 0) text += name + ': ' + list[i + 1]! + '\r\n'
  }
  return text
}
