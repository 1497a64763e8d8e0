/** Every number of up to 15 digits is exact. */
export const maxDigits = 15

/** The value of a Content-Length in its shortest form; `undefined` when the text is not a valid one. */
export function parseLength(text: string): number | undefined {
  const { length } = text
  if (length === 0 || length > maxDigits || (length > 1 && text.charCodeAt(0) === 0x30)) return undefined
  let value = 0
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}

/** Whether a response ends with its head, whatever the fields say (RFC 9112 §6.3, rule 1; RFC 9110 §6.4.1). */
export function hasNoBody(status: number, method: string): boolean {
  return status < 200 || status === 204 || status === 304 || method === 'HEAD'
}
