import type { Buffer } from 'node:buffer'
import { decodeHuffman } from './huffman.ts'
import { isSecret, mark } from './never-indexed.ts'
import { staticSize, staticTable } from './static-table.ts'

/**
 * Why a header block is not taken. `compression`: it cannot be read, and the two tables differ from now on, so the connection
 * ends (RFC 9113 §4.3). `list`: it is longer than allowed; the table is right, so only its stream ends.
 */
export class HpackProblem {
  readonly kind: 'compression' | 'list'
  readonly problem: string

  constructor(kind: 'compression' | 'list', problem: string) {
    this.kind = kind
    this.problem = problem
  }
}

const broken = (problem: string): HpackProblem => new HpackProblem('compression', problem)
const cut = broken('the header block ends inside a field')
const badInteger = broken('a number of the header block has more than 28 bits')
const badIndex = broken('the header block names an entry that is not in the table')
const badText = broken('a string of the header block is not valid Huffman code')
const lateSize = broken('the size of the table changes behind the first field')
const badSize = broken('the size of the table is changed to more than was allowed')

/** What each field costs beside its bytes, in tables and in lists (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export const fieldOverhead = 32

/** Most bytes of a number behind its prefix. */
const maxDigits = 4

/** Reads the header blocks of one direction of a connection (RFC 7541). */
export class HpackDecoder {
  readonly #allowed: number
  #limit: number
  /** Entries, name and value, the newest last; those before `#first` have been evicted. */
  #entries: string[] = []
  #first = 0
  #size = 0
  /** How many entries were added; a peer that fills the table with what it does not use again is told by it. */
  added = 0
  /** Of the block that is being read. */
  #bytes!: Buffer
  #at = 0
  #problem: HpackProblem | undefined

  /** @param maxTable most bytes of the table, as our SETTINGS_HEADER_TABLE_SIZE says. Default: 4,096. */
  constructor(maxTable: number = 4096) {
    this.#allowed = maxTable
    this.#limit = maxTable
  }

  /**
   * Reads a whole header block.
   *
   * @param maxList most bytes of the list, each field with `fieldOverhead`
   * @returns name, value, name, value: one character for each byte, not checked
   */
  decode(block: Buffer, maxList: number): string[] | HpackProblem {
    this.#bytes = block
    this.#at = 0
    this.#problem = undefined
    const list: string[] = []
    let size = 0
    let hasFields = false
    let marked: Set<string> | undefined
    while (this.#at < block.length) {
      const byte = block[this.#at]!
      let name: string | undefined
      let value: string | undefined
      if (byte >= 0x80) {
        const index = this.#integer(0x7f)
        name = this.#name(index)
        value = this.#value(index)
      } else if ((byte & 0xe0) === 0x20) {
        const limit = this.#integer(0x1f)
        if (hasFields) return lateSize
        if (this.#problem !== undefined) return this.#problem
        if (limit > this.#allowed) return badSize
        this.#limit = limit
        this.#evict(0)
        continue
      } else {
        const isAdded = byte >= 0x40
        const index = this.#integer(isAdded ? 0x3f : 0x0f)
        name = index === 0 ? this.#text() : this.#name(index)
        value = this.#text()
        if (byte >= 0x10 && !isAdded && name !== undefined && !isSecret(name)) {
          marked ??= new Set()
          marked.add(name)
        }
        if (isAdded && this.#problem === undefined && name !== undefined) this.#add(name, value!)
      }
      if (this.#problem !== undefined) return this.#problem
      if (name === undefined || value === undefined) return badIndex
      hasFields = true
      size += name.length + value.length + fieldOverhead
      // The rest is read for the table.
      if (size <= maxList) list.push(name, value)
    }
    mark(list, marked)
    return size <= maxList
      ? list
      : new HpackProblem('list', `the header list has ${size} bytes; the limit is ${maxList}`)
  }

  #name(index: number): string | undefined {
    if (index <= staticSize) return index === 0 ? undefined : staticTable[2 * index]
    return this.#entries[this.#place(index)]
  }

  #value(index: number): string | undefined {
    if (index <= staticSize) return index === 0 ? undefined : staticTable[2 * index + 1]
    return this.#entries[this.#place(index) + 1]
  }

  /** Where an entry stands; the index behind the last one if the table has no such entry. */
  #place(index: number): number {
    const place = this.#entries.length - 2 * (index - staticSize)
    return place >= this.#first ? place : this.#entries.length
  }

  #add(name: string, value: string): void {
    const size = name.length + value.length + fieldOverhead
    this.added++
    this.#evict(size)
    if (size > this.#limit) return
    this.#entries.push(name, value)
    this.#size += size
  }

  /** Makes room for an entry. */
  #evict(size: number): void {
    const entries = this.#entries
    while (this.#size > 0 && this.#size + size > this.#limit) {
      this.#size -= entries[this.#first]!.length + entries[this.#first + 1]!.length + fieldOverhead
      entries[this.#first++] = ''
      entries[this.#first++] = ''
    }
    if (this.#first > 256 || this.#first === entries.length) {
      this.#entries = entries.slice(this.#first)
      this.#first = 0
    }
  }

  #integer(mask: number): number {
    const bytes = this.#bytes
    let value = bytes[this.#at++]! & mask
    if (value < mask) return value
    for (let digit = 0; digit < maxDigits; digit++) {
      if (this.#at >= bytes.length) break
      const byte = bytes[this.#at++]!
      value += (byte & 0x7f) << (7 * digit)
      if (byte < 0x80) return value
    }
    this.#problem ??= this.#at >= bytes.length ? cut : badInteger
    return 0
  }

  #text(): string | undefined {
    const bytes = this.#bytes
    if (this.#at >= bytes.length) {
      this.#problem ??= cut
      return undefined
    }
    const isHuffman = bytes[this.#at]! >= 0x80
    const length = this.#integer(0x7f)
    const from = this.#at
    if (this.#problem !== undefined) return undefined
    if (length > bytes.length - from) {
      this.#problem = cut
      return undefined
    }
    this.#at = from + length
    if (!isHuffman) return bytes.toString('latin1', from, this.#at)
    const text = decodeHuffman(bytes, from, this.#at)
    if (text === undefined) this.#problem = badText
    return text
  }
}
