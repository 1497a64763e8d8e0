import { expect, test } from 'vitest'
import { HpackDecoder, HpackProblem } from '../../core/http2/hpack-decoder.ts'
import { type ByteSink, HpackEncoder } from '../../core/http2/hpack-encoder.ts'
import { encodeBlock, HpackReader, integerOf, type Literal } from './hpack.ts'
import { Random } from './streams.ts'

/** `HTTP2_FUZZ_RUNS=1000000` for an afternoon; `HTTP2_FUZZ_SEED` to see one again. */
const runs = Number(process.env.HTTP2_FUZZ_RUNS ?? 5_000)
const firstSeed = Number(process.env.HTTP2_FUZZ_SEED ?? 1)
const timeout = 60_000 + runs * 2

class Sink implements ByteSink {
  memory: Buffer = Buffer.alloc(16)
  at = 0

  reserve(count: number): void {
    if (this.at + count <= this.memory.length) return
    const larger = Buffer.alloc((this.at + count) * 2)
    this.memory.copy(larger, 0, 0, this.at)
    this.memory = larger
  }

  take(): Buffer {
    const bytes = Buffer.from(this.memory.subarray(0, this.at))
    this.at = 0
    return bytes
  }
}

const names = [
  ':path',
  ':status',
  'cookie',
  'x-a',
  'x-b',
  'x-c',
  'date',
  'content-length',
  'accept-encoding',
  'authorization',
]

function listOf(random: Random): string[] {
  return Array.from({ length: random.below(8) }, () => {
    const value = random.once(3)
      ? random.bytes(random.below(30)).toString('latin1')
      : random.of(['', 'b', '/', '200', 'gzip, deflate'])
    return [
      random.once(6) ? `x-${random.below(200)}` : random.of(names),
      random.once(12) ? 'long '.repeat(random.below(1_000)) : value,
    ]
  }).flat()
}

/** A block with pieces that decoders disagree about. */
function oddBlock(random: Random, good: Buffer): Buffer {
  const numbers = [0, 1, 30, 31, 61, 62, 70, 4_096, 4_097, 2 ** 28, 2 ** 31]
  const pieces = Array.from({ length: random.below(4) }, () => {
    switch (random.below(5)) {
      case 0:
        return integerOf(random.of(numbers), 7, 0x80)
      case 1:
        return integerOf(random.of(numbers.slice(0, 8)), 5, 0x20)
      case 2:
        return random.bytes(random.below(12))
      case 3:
        return Buffer.concat([Buffer.of(0x40 | random.below(64)), Buffer.of(0x80 | random.below(6)), random.bytes(4)])
      default:
        return encodeBlock(listOf(random), random.of<Literal>(['plain', 'indexed', 'never']))
    }
  })
  const block = Buffer.concat(random.once(2) ? [good, ...pieces] : [...pieces, good])
  if (block.length > 0 && random.once(3)) block[random.below(block.length)]! ^= 1 << random.below(8)
  return random.once(6) ? block.subarray(0, random.below(block.length + 1)) : block
}

test('what the encoder writes, a reader of its own reads, whatever limits come in between', { timeout }, () => {
  for (let seed = firstSeed; seed < firstSeed + runs / 20; seed++) {
    const random = new Random(seed)
    const [encoder, reader, sink] = [new HpackEncoder(), new HpackReader(), new Sink()]
    for (let block = 0; block < 12; block++) {
      for (let limits = random.below(3); limits > 0; limits--) encoder.limit(random.of([0, 100, 1_000, 4_096, 65_536]))
      const list = listOf(random)
      encoder.encode(sink, list)
      expect(reader.read(sink.take()), `seed ${seed}, block ${block}`).toEqual(list)
    }
  }
})

test('random and changed blocks: what the decoder takes, the reader reads as the same', { timeout }, () => {
  let taken = 0
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const random = new Random(seed)
    const [encoder, decoder, reader, sink] = [new HpackEncoder(), new HpackDecoder(), new HpackReader(), new Sink()]
    for (let block = 0; block < 6; block++) {
      encoder.encode(sink, listOf(random))
      const bytes = oddBlock(random, sink.take())
      const own = decoder.decode(bytes, random.once(5) ? 300 : 1_000_000)
      if (own instanceof HpackProblem && own.kind === 'compression') break
      const message = `seed ${seed}, block ${block}: ${bytes.toString('hex')}`
      const other = read(reader, bytes)
      expect(typeof other, `${message}: ${other}`).not.toBe('string')
      if (!(own instanceof HpackProblem)) expect(own, message).toEqual(other)
      taken++
    }
  }
  // The blocks are worth reading.
  expect(taken).toBeGreaterThan(runs / 2)
})

function read(reader: HpackReader, bytes: Buffer): string[] | string {
  try {
    return reader.read(bytes)
  } catch (error) {
    return (error as Error).message
  }
}
