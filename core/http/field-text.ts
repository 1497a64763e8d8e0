import { Buffer, isUtf8 } from 'node:buffer'

// The value of a field is kept as the bytes that it has on the wire, one character for each, so that what is not changed
// goes on as it came. Configuration, plugins and logs speak of text.

/** The text of a value: UTF-8 where its bytes are, else ISO-8859-1 (RFC 9110 §5.5). */
export function textOf(value: string): string {
  if (isAscii(value)) return value
  const bytes = Buffer.from(value, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : value
}

/** The value that says this text, in UTF-8. */
export function asValue(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** Up to this length a loop is faster than a regular expression. */
const short = 40
const beyondAscii = /[^\x00-\x7f]/

export function isAscii(text: string): boolean {
  if (text.length > short) return !beyondAscii.test(text)
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}
