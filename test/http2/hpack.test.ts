import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HpackDecoder, HpackProblem } from '../../core/http2/hpack-decoder.ts'
import { type ByteSink, HpackEncoder } from '../../core/http2/hpack-encoder.ts'
import { decodeHuffman, encodeHuffman, huffmanLength } from '../../core/http2/huffman.ts'

/** https://github.com/http2jp/hpack-test-case, beside the tree; nothing of it is copied into it. */
const folder = new URL('../../../shared/vectors/hpack/', import.meta.url)

interface Story {
  readonly cases: readonly {
    readonly wire: string
    readonly header_table_size?: number
    readonly headers: readonly Record<string, string>[]
  }[]
}

const hasFolder = existsSync(folder)
const stories = (hasFolder ? readdirSync(folder, { withFileTypes: true }) : [])
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) =>
    readdirSync(new URL(`${name}/`, folder)).map((file) => ({
      name: `${name}/${file}`,
      story: JSON.parse(readFileSync(new URL(`${name}/${file}`, folder), 'utf8')) as Story,
    })),
  )

const most = 1_000_000

function sink(): ByteSink {
  return {
    memory: Buffer.alloc(64),
    at: 0,
    reserve(count) {
      if (this.at + count > this.memory.length)
        this.memory = Buffer.concat([this.memory], 2 * (this.memory.length + count))
    },
  }
}

function encoded(encoder: HpackEncoder, list: readonly string[]): Buffer {
  const out = sink()
  encoder.encode(out, list)
  return Buffer.from(out.memory.subarray(0, out.at))
}

const flat = (headers: readonly Record<string, string>[]): string[] =>
  headers.flatMap((one) => Object.entries(one).flat()).map((text) => Buffer.from(text, 'utf8').toString('latin1'))

test('there are stories where their folder is', () => {
  if (hasFolder) expect(stories.length).toBeGreaterThan(20)
  else console.warn(`no HPACK stories: ${folder.pathname} does not exist`)
})

test.each(stories)('$name is read as its encoder meant it', ({ story }) => {
  // Some of its encoders use larger tables, and say so in their blocks.
  const decoder = new HpackDecoder(Math.max(4096, ...story.cases.map((one) => one.header_table_size ?? 0)))
  for (const { wire, headers } of story.cases)
    expect(decoder.decode(Buffer.from(wire, 'hex'), most)).toEqual(flat(headers))
})

test.each(stories)('$name comes back from our encoder, under every size of the table', ({ story }) => {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder()
  const sizes = [4096, 0, 200, 4096, 64]
  for (const [i, { headers }] of story.cases.entries()) {
    if (i % 3 === 2) encoder.limit(sizes[i % sizes.length]!)
    expect(decoder.decode(encoded(encoder, flat(headers)), most)).toEqual(flat(headers))
  }
})

const name = fc.stringMatching(/^[a-z][a-z-]{0,12}$/)
const value = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 80,
})

test('what is encoded is decoded, whatever the values and the changes of size', () => {
  const block = fc.record({
    size: fc.option(fc.integer({ min: 0, max: 8192 })),
    list: fc.array(fc.tuple(name, value), { maxLength: 12 }),
  })
  fc.assert(
    fc.property(fc.array(block, { maxLength: 12 }), (blocks) => {
      const encoder = new HpackEncoder()
      const decoder = new HpackDecoder()
      for (const { size, list } of blocks) {
        if (size !== null) encoder.limit(size)
        expect(decoder.decode(encoded(encoder, list.flat()), most)).toEqual(list.flat())
      }
    }),
  )
})

test('random blocks are read, or are a problem; nothing throws', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), (blocks) => {
      const decoder = new HpackDecoder()
      for (const block of blocks) {
        const list = decoder.decode(Buffer.from(block), most)
        if (list instanceof HpackProblem) {
          expect(list.kind).toBe('compression')
          return
        }
        expect(list.length % 2).toBe(0)
      }
    }),
    { numRuns: 3000 },
  )
})

test('a text comes back from its Huffman code, which is as long as was said', () => {
  fc.assert(
    fc.property(value, (text) => {
      const memory = Buffer.alloc(huffmanLength(text))
      expect(encodeHuffman(text, memory, 0)).toBe(memory.length)
      expect(decodeHuffman(memory, 0, memory.length)).toBe(text)
    }),
  )
})

test.each([
  ['a string that is cut', '400a6375', 'ends inside'],
  ['a field without its value', '4001', 'ends inside'],
  ['a number that is cut', 'ff', 'ends inside'],
  ['a number without an end', 'ffffffffffff0f', '28 bits'],
  ['index 0', '80', 'not in the table'],
  ['an index behind the table', 'be', 'not in the table'],
  ['a name behind the table', '7e0161', 'not in the table'],
  ['padding of zeros', '00016181' + '18', 'Huffman'],
  ['padding of 8 bits', '00016182' + '1fff', 'Huffman'],
  ['the end of a string inside', '00016184' + 'ffffffff', 'Huffman'],
  ['a size above what was allowed', '3fe21f', 'more than was allowed'],
  ['a size behind a field', '8220', 'behind the first field'],
])('%s cannot be read', (_what, hex, problem) => {
  const found = new HpackDecoder().decode(Buffer.from(hex, 'hex'), most)
  expect(found).toBeInstanceOf(HpackProblem)
  expect(found).toMatchObject({ kind: 'compression', problem: expect.stringContaining(problem) as string })
})

test('a list that is too long is not kept, and the table is right afterwards', () => {
  const decoder = new HpackDecoder()
  const big = 'v'.repeat(3000)
  const first = encoded(new HpackEncoder(), [])
  expect(first.length).toBe(0)
  const entry = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xb9, 0x16]), Buffer.from(big)])
  expect(decoder.decode(entry, most)).toEqual(['x', big])
  // A bomb: each byte stands for 3,000.
  const bomb = decoder.decode(Buffer.alloc(16_000, 0xbe), 32_768)
  expect(bomb).toMatchObject({ kind: 'list' })
  expect(decoder.decode(Buffer.from([0xbe]), most)).toEqual(['x', big])
})

test('secrets go into no table, and are marked so', () => {
  const encoder = new HpackEncoder()
  for (const field of ['authorization', 'proxy-authorization', 'cookie', 'set-cookie']) {
    const once = encoded(encoder, [field, 'secret'])
    expect(once[0]! & 0xf0).toBe(0x10)
    expect(encoded(encoder, [field, 'secret'])).toEqual(once)
  }
})

test('a field that comes again gets an entry, and is a byte from then on', () => {
  const encoder = new HpackEncoder()
  const list = ['user-agent', 'comes/1', 'x-tenant', 'again']
  const lengths = [1, 2, 3].map(() => encoded(encoder, list).length)
  expect(lengths[2]).toBe(2)
  // What one connection has seen, another one does not need to see twice.
  const other = new HpackEncoder()
  encoded(other, list)
  expect(encoded(other, list).length).toBe(2)
})

test('values that never come again evict nothing', () => {
  const encoder = new HpackEncoder()
  const stable = ['x-region', 'north']
  encoded(encoder, stable)
  encoded(encoder, stable)
  for (let i = 0; i < 2_000; i++) {
    encoded(encoder, ['x-trace', `${i}`.padStart(40, 'a'), `x-${i}`, 'once'])
    if (i % 50 === 49) expect(encoded(encoder, stable).length).toBe(1)
  }
})

test('more names and values than are remembered are encoded all the same', () => {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder()
  for (let i = 0; i < 3_000; i++) {
    const list = [`x-${i % 700}`, `${i % 90}`, 'x-same', `${i % 40}`, 'date', `${i >> 2}`]
    expect(decoder.decode(encoded(encoder, list), most)).toEqual(list)
    expect(decoder.decode(encoded(encoder, list), most)).toEqual(list)
  }
})
