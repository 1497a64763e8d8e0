import { ownText } from '../own-text.ts'
import { kinds, TOKEN, VALUE } from './characters.ts'
import { isAscii } from './field-text.ts'
import { isTreated, NO_PLUGIN } from './header-names.ts'

/** Whether a text is a token (RFC 9110 §5.6.2): the form of field names, methods and cookie names. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if ((kinds[text.charCodeAt(i)]! & TOKEN) === 0) return false
  return text !== ''
}

/** Whether a text can be a field value (RFC 9110 §5.5): it has no control character but the tab. */
export function isFieldText(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0xff && (kinds[code]! & VALUE) === 0) return false
  }
  return true
}

/**
 * How much one hook may write, bytes: one value, and all headers together. Servers commonly refuse more. Names and values
 * count, and so do lines that are replaced later.
 */
export const writeBounds = { value: 8_192, headers: 65_536 } as const

/** How many bytes a text has on the wire. */
export function bytesOf(text: string): number {
  return isAscii(text) ? text.length : Buffer.byteLength(text)
}

/** Cache of names that were found writable. Policies declare few names, but `header:*` allows any number of them. */
const writable = new Set<string>()
const maxWritable = 1_000

/** Why a plugin cannot write a field; `undefined` when it can. @param name in lower case. */
export function fieldProblem(name: string, value: string): string | undefined {
  if (!writable.has(name)) {
    if (!isToken(name) || name !== name.toLowerCase())
      return `${JSON.stringify(name.slice(0, 80))} is not a header name`
    if (isTreated(name, NO_PLUGIN)) return `the header "${name}" belongs to the gateway`
    if (writable.size < maxWritable && name.length <= 64) writable.add(ownText(name))
  }
  const bytes = bytesOf(value)
  if (bytes > writeBounds.value) {
    return `the value of "${name}" has ${bytes} bytes; a header value may have at most ${writeBounds.value}`
  }
  return isFieldText(value) ? undefined : `the value of "${name}" has characters that are not allowed in a header`
}
