import { Buffer } from 'node:buffer'

/**
 * Bits of the code of each byte, and of the end of a string at 256 (RFC 7541, appendix B). The code is canonical: shorter codes
 * come first, those of the same length in the order of their bytes, so the lengths are the whole code.
 */
const lengths: Uint8Array = new Uint8Array([
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
])

const END = 256

const codes = new Uint32Array(257)

/** Nodes of the code's tree: two children each. A child is another node, or `leaf + byte`; 0: none, since the root is no child. */
const leaf = 1024
const children = new Uint16Array(2 * 257)

build()

function build(): void {
  let code = 0
  let nodes = 1
  for (let length = 5; length <= 30; length++, code <<= 1) {
    for (let byte = 0; byte <= END; byte++) {
      if (lengths[byte] !== length) continue
      codes[byte] = code++
      let node = 0
      for (let bit = length - 1; bit >= 0; bit--) {
        const at = 2 * node + ((codes[byte]! >>> bit) & 1)
        if (bit === 0) children[at] = leaf + byte
        else {
          if (children[at] === 0) children[at] = nodes++
          node = children[at]!
        }
      }
    }
  }
}

/** Result of a step of 4 bits: `next node << 12 | flags << 8 | byte`. */
const EMIT = 1 << 8
const FAIL = 1 << 9
const steps = new Uint32Array(257 * 16)
/** Nodes in which a string may end: the root, and those that up to 7 bits of the end of a string lead to. */
const mayEnd = new Uint8Array(257)

buildSteps()

function buildSteps(): void {
  let node = 0
  for (let bits = 0; bits <= 7; bits++) {
    mayEnd[node] = 1
    node = children[2 * node + 1]!
  }
  for (let from = 0; from < 256; from++)
    for (let nibble = 0; nibble < 16; nibble++) steps[from * 16 + nibble] = step(from, nibble)
}

/** No code is shorter than 5 bits, so 4 bits end at most one. */
function step(from: number, nibble: number): number {
  let node = from
  let flags = 0
  for (let bit = 3; bit >= 0; bit--) {
    node = children[2 * node + ((nibble >>> bit) & 1)]!
    if (node < leaf) continue
    if (node === leaf + END) return FAIL
    flags = EMIT | (node - leaf)
    node = 0
  }
  return (node << 12) | flags
}

let text: Buffer = Buffer.allocUnsafe(4096)

/**
 * Decodes a string (RFC 7541 §5.2) to one character for each byte. `undefined`: it has the end of a string inside, or padding
 * that is longer than 7 bits or not the beginning of that code.
 */
export function decodeHuffman(bytes: Buffer, from: number, to: number): string | undefined {
  // The shortest code has 5 bits.
  const most = ((to - from) * 8) / 5 + 1
  if (text.length < most) text = Buffer.allocUnsafe(2 * most)
  let node = 0
  let length = 0
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    for (let shift = 4; shift >= 0; shift -= 4) {
      const found = steps[node * 16 + ((byte >>> shift) & 15)]!
      if ((found & (EMIT | FAIL)) !== 0) {
        if ((found & FAIL) !== 0) return undefined
        text[length++] = found & 0xff
      }
      node = found >>> 12
    }
  }
  return mayEnd[node] === 1 ? text.toString('latin1', 0, length) : undefined
}

/** Bytes that a text takes when it is encoded. @param value one character for each byte */
export function huffmanLength(value: string): number {
  let bits = 0
  for (let i = 0; i < value.length; i++) bits += lengths[value.charCodeAt(i) & 0xff]!
  return (bits + 7) >>> 3
}

/** Two characters of ASCII at once, by `first << 7 | second`: `code << 5 | bits`; 0: together they have more than 24 bits. */
const pairs = new Uint32Array(1 << 14)

buildPairs()

function buildPairs(): void {
  for (let first = 0; first < 128; first++) {
    for (let second = 0; second < 128; second++) {
      const bits = lengths[first]! + lengths[second]!
      if (bits <= 24)
        pairs[(first << 7) | second] = (((codes[first]! << lengths[second]!) | codes[second]!) << 5) | bits
    }
  }
}

/** Writes a text, encoded, and returns the index behind it. There has to be room for `huffmanLength` bytes. */
export function encodeHuffman(value: string, memory: Uint8Array, at: number): number {
  let to = at
  /** The last bits, at most 7 of them not written; those above have been written. */
  let held = 0
  let bits = 0
  const last = value.length - 1
  let i = 0
  while (i <= last) {
    const byte = value.charCodeAt(i) & 0xff
    const next = i < last ? value.charCodeAt(i + 1) : 0x80
    const pair = (byte | next) < 0x80 ? pairs[(byte << 7) | next]! : 0
    let rest: number
    let code: number
    if (pair !== 0) {
      i += 2
      rest = pair & 31
      code = pair >>> 5
    } else {
      i++
      rest = lengths[byte]!
      code = codes[byte]!
      // At most 7 bits are held, so 24 more fit.
      if (rest > 24) {
        rest -= 16
        held = (held << 16) | (code >>> rest)
        bits += 16
        while (bits >= 8) {
          bits -= 8
          memory[to++] = held >>> bits
        }
        code &= (1 << rest) - 1
      }
    }
    held = (held << rest) | code
    bits += rest
    while (bits >= 8) {
      bits -= 8
      memory[to++] = held >>> bits
    }
  }
  if (bits > 0) memory[to++] = (held << (8 - bits)) | (0xff >>> bits)
  return to
}
