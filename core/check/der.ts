/** One element of DER (X.690): its tag and its content. */
export interface Element {
  readonly tag: number
  readonly content: Buffer
}

/**
 * The elements in the content of a constructed one, or in a whole text.
 *
 * @throws {RangeError} when they are cut off.
 */
export function elementsOf(bytes: Buffer): Element[] {
  const elements: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes.readUInt8(at)
    let length = bytes.readUInt8(at + 1)
    let from = at + 2
    if (length >= 0x80) {
      const size = length & 0x7f
      length = bytes.readUIntBE(from, size)
      from += size
    }
    at = from + length
    if (at > bytes.length) throw new RangeError('truncated')
    elements.push({ tag, content: bytes.subarray(from, at) })
  }
  return elements
}

/** Time since 1970, ms, of a UTCTime or a GeneralizedTime (RFC 5280 §4.1.2.5); `undefined`: it is of another kind. */
export function timeOf({ tag, content }: Element): number | undefined {
  const digits = content.toString('latin1').replace(/Z$/, '')
  const text = tag === 0x17 ? `${Number(digits.slice(0, 2)) < 50 ? 20 : 19}${digits}` : digits
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(text) ?? []
  return year === undefined ? undefined : Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}
