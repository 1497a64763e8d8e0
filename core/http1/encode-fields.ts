import type { Fields } from '../http/fields.ts'
import { CODEC, treatmentOf } from '../http/header-names.ts'

/** Lists of shared fields, encoded. */
const encoded = new WeakMap<readonly string[], string>()

/**
 * Field lines for the wire, each ended by CRLF. What says how this one message is framed and how long its connection
 * lives is left out, `Content-Length` included: the framing of the message decides what is written.
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
