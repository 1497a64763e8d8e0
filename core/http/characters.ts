/** Bits of `kinds`. */
export const TOKEN = 1
export const VALUE = 2
export const TARGET = 4

/**
 * What each byte may be part of: a token (RFC 9110 §5.6.2), a field value (§5.5: tab, space, visible ASCII, bytes above
 * 0x7F), a request target (visible ASCII except `#`: clients do not send fragments; bytes above 0x7F). CR, LF, NUL and
 * every other control byte are part of none.
 */
export const kinds: Uint8Array = kindsOfBytes()

function kindsOfBytes(): Uint8Array {
  const table = new Uint8Array(256)
  for (let byte = 0x20; byte < 0x100; byte++) if (byte !== 0x7f) table[byte] = VALUE
  table[0x09] = VALUE
  for (let byte = 0x21; byte < 0x100; byte++) if (byte !== 0x23 && byte !== 0x7f) table[byte]! |= TARGET
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  for (const one of `!#$%&'*+-.^_\`|~0123456789${letters}${letters.toUpperCase()}`) table[one.charCodeAt(0)]! |= TOKEN
  return table
}
