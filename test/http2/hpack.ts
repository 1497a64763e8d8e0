/**
 * HPACK for tests (RFC 7541), independent of the codec: a writer of plain literals, which says what the test says and nothing
 * else, and a reader of everything, Huffman and tables included.
 */

const staticTable: readonly (readonly [string, string])[] = `
:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|:status 206
|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|accept-language|accept-ranges
|accept|access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|content-encoding
|content-language|content-length|content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host
|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards
|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|strict-transport-security
|transfer-encoding|user-agent|vary|via|www-authenticate`
  .replaceAll('\n', '')
  .split('|')
  .map((line) => [line.split(' ')[0]!, line.split(' ').slice(1).join(' ')] as const)

/** Lengths of the Huffman codes of the 256 characters and of EOS; the code is canonical, so they say everything. */
const codeLengths = `
13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10
13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6
15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28
20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26
30`
  .trim()
  .split(/\s+/)
  .map(Number)

/** Length and code, as one number, to the character. */
const characterOf = new Map<number, number>()
const keyOf = (length: number, code: number): number => length * 2 ** 31 + code

let nextCode = 0
for (let length = 1; length <= 30; length++) {
  nextCode *= 2
  codeLengths.forEach((own, character) => {
    if (own === length) characterOf.set(keyOf(length, nextCode++), character)
  })
}

/** How `encodeBlock` writes every field: never with Huffman, every name in full. */
export type Literal = 'plain' | 'indexed' | 'never'

const firstByte: Readonly<Record<Literal, number>> = { plain: 0x00, indexed: 0x40, never: 0x10 }

/**
 * A header block of literals.
 *
 * @param list names and values in turn, one byte per character
 * @param literal `indexed` has each field put into the dynamic table
 */
export function encodeBlock(list: readonly string[], literal: Literal = 'plain'): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < list.length; at += 2) {
    parts.push(Buffer.of(firstByte[literal]), stringOf(list[at]!), stringOf(list[at + 1]!))
  }
  return Buffer.concat(parts)
}

/** An integer with a prefix of so many bits. @param high bits above the prefix, as they stand in the byte */
export function integerOf(value: number, prefix: number, high = 0): Buffer {
  const limit = 2 ** prefix - 1
  if (value < limit) return Buffer.of(high | value)
  const bytes = [high | limit]
  let rest = value - limit
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

/** A string literal without Huffman. */
export function stringOf(text: string): Buffer {
  return Buffer.concat([integerOf(text.length, 7), Buffer.from(text, 'latin1')])
}

/** Reads the header blocks of one direction of a connection, one after the other; throws at everything malformed. */
export class HpackReader {
  #entries: (readonly [string, string])[] = []
  #size = 0
  #maxSize = 4_096
  #block: Buffer = Buffer.alloc(0)
  #at = 0
  /** Names of the fields of the last block that no table may keep. */
  readonly never: string[] = []

  /** Names and values in turn. */
  read(block: Buffer): string[] {
    this.never.length = 0
    this.#block = block
    this.#at = 0
    const list: string[] = []
    while (this.#at < block.length) this.#field(block[this.#at]!, list)
    return list
  }

  #field(first: number, list: string[]): void {
    if (first >= 0x80) list.push(...this.#entry(this.#integer(7)))
    else if (first >= 0x40) {
      const field = this.#literal(6)
      list.push(...field)
      this.#entries.unshift(field)
      this.#size += sizeOf(field)
      this.#evict()
    } else if (first >= 0x20) {
      this.#maxSize = this.#integer(5)
      this.#evict()
    } else {
      const field = this.#literal(4)
      if (first >= 0x10) this.never.push(field[0])
      list.push(...field)
    }
  }

  #literal(prefix: number): readonly [string, string] {
    const index = this.#integer(prefix)
    const name = index === 0 ? this.#string() : this.#entry(index)[0]
    return [name, this.#string()]
  }

  #entry(index: number): readonly [string, string] {
    const entry = index <= 61 ? staticTable[index - 1] : this.#entries[index - 62]
    if (entry === undefined) throw new Error(`HPACK: no entry ${index}`)
    return entry
  }

  #evict(): void {
    while (this.#size > this.#maxSize) this.#size -= sizeOf(this.#entries.pop()!)
  }

  #integer(prefix: number): number {
    const limit = 2 ** prefix - 1
    let value = this.#byte() & limit
    if (value < limit) return value
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte()
      value += (byte & 127) * factor
      if (value > 2 ** 31) throw new Error('HPACK: integer above 2^31')
      if (byte < 128) return value
    }
  }

  #string(): string {
    const isHuffman = this.#byte() >= 0x80
    this.#at--
    const length = this.#integer(7)
    const bytes = this.#block.subarray(this.#at, this.#at + length)
    if (bytes.length < length) throw new Error('HPACK: string ends early')
    this.#at += length
    return isHuffman ? huffmanText(bytes) : bytes.toString('latin1')
  }

  #byte(): number {
    const byte = this.#block[this.#at++]
    if (byte === undefined) throw new Error('HPACK: block ends early')
    return byte
  }
}

function sizeOf([name, value]: readonly [string, string]): number {
  return name.length + value.length + 32
}

function huffmanText(bytes: Buffer): string {
  let text = ''
  let code = 0
  let length = 0
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1)
      const character = characterOf.get(keyOf(++length, code))
      if (length > 30 || character === 256) throw new Error('HPACK: no Huffman code')
      if (character === undefined) continue
      text += String.fromCharCode(character)
      code = 0
      length = 0
    }
  }
  if (length > 7 || code !== 2 ** length - 1) throw new Error('HPACK: wrong Huffman padding')
  return text
}
