/**
 * Decodes UTF-8: an isolate has no TextDecoder. Malformed bytes become U+FFFD, one for each maximal subpart, as in
 * WHATWG Encoding.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  const parts: string[] = []
  let units: number[] = []
  let at = 0
  while (at < bytes.length) {
    const first = bytes[at++]!
    if (first < 0x80) units.push(first)
    else {
      const need =
        first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0
      let point = need === 0 ? 0xfffd : first & (0x3f >> need)
      let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
      let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
      for (let i = 0; i < need; i++) {
        const next = bytes[at]
        if (next === undefined || next < low || next > high) {
          point = 0xfffd
          break
        }
        low = 0x80
        high = 0xbf
        point = (point << 6) | (next & 0x3f)
        at++
      }
      if (point > 0xffff) units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + (point & 0x3ff))
      else units.push(point)
    }
    if (units.length > 4_096) {
      parts.push(String.fromCharCode(...units))
      units = []
    }
  }
  parts.push(String.fromCharCode(...units))
  return parts.join('')
}

/** Encodes UTF-8. Lone surrogates become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const plain = encodeAscii(text)
  if (plain !== undefined) return plain
  const bytes = new Uint8Array(text.length * 3)
  let at = 0
  for (let i = 0; i < text.length; i++) {
    let point = text.charCodeAt(i)
    if (point < 0x80) {
      bytes[at++] = point
      continue
    }
    if (point >= 0xd800 && point <= 0xdfff) {
      point = text.codePointAt(i)!
      if (point > 0xffff) i++
      else point = 0xfffd
    }
    if (point < 0x800) bytes[at++] = 0xc0 | (point >> 6)
    else {
      if (point < 0x10000) bytes[at++] = 0xe0 | (point >> 12)
      else {
        bytes[at++] = 0xf0 | (point >> 18)
        bytes[at++] = 0x80 | ((point >> 12) & 0x3f)
      }
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f)
    }
    bytes[at++] = 0x80 | (point & 0x3f)
  }
  return bytes.slice(0, at)
}

/** Fast path: most text is ASCII, and in a new isolate the general loop runs at a quarter of the speed. */
function encodeAscii(text: string): Uint8Array | undefined {
  if (!ascii.test(text)) return undefined
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

const ascii = /^[\x00-\x7f]*$/
