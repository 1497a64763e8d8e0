import type { Buffer } from 'node:buffer'
import { encodeHuffman, huffmanLength } from './huffman.ts'
import { type FieldName, type KnownField, nameOf } from './known-fields.ts'
import { markedIn } from './never-indexed.ts'
import { staticSize } from './static-table.ts'

/** Memory that a header block is written to. */
export interface ByteSink {
  memory: Buffer
  /** Index behind the last byte. */
  at: number
  /** Makes room for so many bytes more. It may replace the memory. */
  reserve(count: number): void
}

/** Most bytes of our table, whatever the other side allows. */
export const maxTable = 4096

/** Writes the header blocks of one direction of a connection (RFC 7541). */
export class HpackEncoder {
  /** Number of each entry of the table; a Map keeps their order, the oldest first. */
  readonly #entries = new Map<KnownField, number>()
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
    const marked = markedIn(list)
    for (let i = 0; i < list.length; i += 2) {
      this.#field(out, list[i]!, list[i + 1]!, marked?.has(list[i]!) === true)
    }
  }

  #announce(out: ByteSink): void {
    if (this.#smallest === undefined) return
    out.reserve(16)
    if (this.#smallest < this.#limit) writeInteger(out, 0x20, 0x1f, this.#smallest)
    writeInteger(out, 0x20, 0x1f, this.#limit)
    this.#smallest = undefined
  }

  #field(out: ByteSink, name: string, value: string, isMarked: boolean): void {
    // The longest form of a text, its length, and that of the index.
    out.reserve(name.length + value.length + 16)
    const known = nameOf(name)
    if (known.isSecret || isMarked) return literal(out, 0x10, 0x0f, known.index, name, value)
    const field = known.field(value)
    if (field === undefined) return fleeting(out, known, name, value)
    if (field.index > 0) return writeInteger(out, 0x80, 0x7f, field.index)
    const number = this.#entries.get(field)
    if (number !== undefined) return writeInteger(out, 0x80, 0x7f, staticSize + this.#inserted - number)
    if (!field.isRepeated || field.size > this.#limit) return literal(out, 0x00, 0x0f, known.index, name, value)
    literal(out, 0x40, 0x3f, known.index, name, value)
    while (this.#size + field.size > this.#limit) this.#evict()
    this.#entries.set(field, this.#inserted++)
    this.#size += field.size
  }

  #evict(): void {
    for (const field of this.#entries.keys()) {
      this.#entries.delete(field)
      this.#size -= field.size
      return
    }
  }
}

function fleeting(out: ByteSink, known: FieldName, name: string, value: string): void {
  if (value !== known.lastText) {
    known.lastText = value
    known.lastBytes = undefined
    literal(out, 0x00, 0x0f, known.index, name, value)
  } else if (known.lastBytes === undefined) {
    const from = out.at
    literal(out, 0x00, 0x0f, known.index, name, value)
    known.lastBytes = new Uint8Array(out.memory.subarray(from, out.at))
  } else {
    out.memory.set(known.lastBytes, out.at)
    out.at += known.lastBytes.length
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
