const table = new Uint32Array(256)
for (let i = 0; i < 256; i++) {
  let value = i
  // The polynomial of Castagnoli, reversed.
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0x82f63b78
  table[i] = value
}

/** CRC32c (RFC 4960, appendix B). @param before of the bytes in front of these. Default: there are none */
export function crc32c(bytes: Uint8Array, before: number = 0): number {
  let value = ~before
  for (let i = 0; i < bytes.length; i++) value = (value >>> 8) ^ table[(value ^ bytes[i]!) & 0xff]!
  return ~value >>> 0
}
