import type { Buffer } from 'node:buffer'
import { fieldOverhead } from './hpack-decoder.ts'
import { encodeHuffman, huffmanLength } from './huffman.ts'
import { staticFields, staticNames, staticSize } from './static-table.ts'

/** Memory that a header block is written to. */
export interface ByteSink {
  memory: Buffer
  /** Index behind the last byte. */
  at: number
  /** Makes room for so many bytes more. It may replace the memory. */
  reserve(count: number): void
}

/** Fields that no table keeps, here or behind the other side: their values are secrets (RFC 7541 §7.1.3). */
const secret = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])

/** Fields whose values hardly come again: an entry would put out another one. */
const fleeting = new Set([':path', 'content-length', 'date', 'etag', 'x-request-id', 'last-modified', 'location'])

/** Most bytes of our table, whatever the other side allows. */
const maxTable = 4096

/** Longest field, bytes, that gets an entry. */
const longestEntry = 512

/** Writes the header blocks of one direction of a connection (RFC 7541). */
export class HpackEncoder {
  /** Number of each entry of the table, by `name`, NUL, `value`; a Map keeps their order, the oldest first. */
  readonly #entries = new Map<string, number>()
  #size = 0
  #limit = maxTable
  /** Smallest limit since the last block; `undefined`: it is as before. */
  #smallest: number | undefined
  #inserted = 0

  /** What the other side allows: its SETTINGS_HEADER_TABLE_SIZE. */
  limit(size: number): void {
    const next = Math.min(size, maxTable)
    if (next === this.#limit && this.#smallest === undefined) return
    this.#smallest = Math.min(this.#smallest ?? next, next)
    this.#limit = next
    while (this.#size > this.#smallest) this.#evict()
  }

  /** @param list name, value, name, value: names in lower case, one character for each byte */
  encode(out: ByteSink, list: readonly string[]): void {
    this.#announce(out)
    for (let i = 0; i < list.length; i += 2) this.#field(out, list[i]!, list[i + 1]!)
  }

  #announce(out: ByteSink): void {
    if (this.#smallest === undefined) return
    out.reserve(16)
    if (this.#smallest < this.#limit) writeInteger(out, 0x20, 0x1f, this.#smallest)
    writeInteger(out, 0x20, 0x1f, this.#limit)
    this.#smallest = undefined
  }

  #field(out: ByteSink, name: string, value: string): void {
    const { length } = name
    // The longest form of a text, its length, and that of the index.
    out.reserve(length + value.length + 16)
    if (secret.has(name)) return literal(out, 0x10, 0x0f, staticNames.get(name) ?? 0, name, value)
    const key = `${name}\0${value}`
    const known = staticFields.get(key)
    if (known !== undefined) return writeInteger(out, 0x80, 0x7f, known)
    const number = this.#entries.get(key)
    if (number !== undefined) return writeInteger(out, 0x80, 0x7f, staticSize + this.#inserted - number)
    const size = length + value.length + fieldOverhead
    const index = staticNames.get(name) ?? 0
    if (fleeting.has(name) || size > longestEntry || size > this.#limit)
      return literal(out, 0x00, 0x0f, index, name, value)
    literal(out, 0x40, 0x3f, index, name, value)
    while (this.#size + size > this.#limit) this.#evict()
    this.#entries.set(key, this.#inserted++)
    this.#size += size
  }

  #evict(): void {
    for (const key of this.#entries.keys()) {
      this.#entries.delete(key)
      this.#size -= key.length - 1 + fieldOverhead
      return
    }
  }
}

function literal(out: ByteSink, pattern: number, mask: number, index: number, name: string, value: string): void {
  writeInteger(out, pattern, mask, index)
  if (index === 0) writeText(out, name)
  writeText(out, value)
}

function writeInteger(out: ByteSink, pattern: number, mask: number, value: number): void {
  const { memory } = out
  if (value < mask) {
    memory[out.at++] = pattern | value
    return
  }
  memory[out.at++] = pattern | mask
  let rest = value - mask
  while (rest >= 0x80) {
    memory[out.at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  memory[out.at++] = rest
}

/** Huffman code where it is shorter (RFC 7541 §5.2). */
function writeText(out: ByteSink, text: string): void {
  const encoded = huffmanLength(text)
  if (encoded < text.length) {
    writeInteger(out, 0x80, 0x7f, encoded)
    out.at = encodeHuffman(text, out.memory, out.at)
  } else {
    writeInteger(out, 0, 0x7f, text.length)
    out.memory.write(text, out.at, 'latin1')
    out.at += text.length
  }
}
