import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ReceiveBuffer } from '../../core/http1/receive-buffer.ts'
import type { ByteTaker } from '../../core/net/byte-stream.ts'
import { passOn } from '../../core/net/read-memory.ts'
import { common, giveMemory } from '../../core/net/spare-memory.ts'

const size = 64 * 1024

/** The reads of one socket. */
function reading(taker: ByteTaker) {
  let memory = common
  const read = (length: number, byte: number): void => {
    const full = memory.fill(byte, 0, length)
    memory = common
    memory = passOn(taker, length, full)
  }
  return { read, memory: () => memory }
}

/** Reports all bytes as consumed, or none. */
function takerThat(isFree: boolean) {
  const taken: { bytes: Buffer; borrowed: boolean }[] = []
  const onBytes = (bytes: Buffer, borrowed: boolean): boolean => {
    taken.push({ bytes, borrowed })
    return isFree
  }
  return { taken, onBytes }
}

test('small messages are borrowed from memory that all share', () => {
  const taker = takerThat(true)
  const one = reading(taker)
  one.read(100, 1)
  one.read(16 * 1024, 2)
  expect(taker.taken.map(({ bytes, borrowed }) => [bytes.length, borrowed])).toEqual([
    [100, true],
    [16 * 1024, true],
  ])
  expect(one.memory()).toBe(common)
})

test('bulk is lent out of memory of its own, until a read does not fill it', () => {
  const taker = takerThat(true)
  const one = reading(taker)
  one.read(size, 1)
  const own = one.memory()
  expect(own).not.toBe(common)
  one.read(size, 2)
  expect(one.memory()).toBe(own)
  one.read(10, 3)
  expect(one.memory()).toBe(common)
  expect(taker.taken.map(({ bytes, borrowed }) => [bytes.length, borrowed])).toEqual([
    [size, false],
    [size, false],
    [10, false],
  ])
})

test('memory that a taker keeps is never read into again', () => {
  const taker = takerThat(false)
  const one = reading(taker)
  for (let byte = 1; byte <= 100; byte++) one.read(byte % 3 === 0 ? 20_000 : size, byte)
  const others = Array.from({ length: 100 }, () => reading(takerThat(true)))
  for (const other of others) for (const _ of [1, 2]) other.read(size, 0xff)
  expect(taker.taken.map(({ bytes }, index) => bytes.every((byte) => byte === index + 1))).not.toContain(false)
})

test('a taker that throws has kept what it was given', () => {
  let bytes: Buffer = Buffer.alloc(0)
  const one = reading({
    onBytes(given) {
      bytes = given
      throw new Error('boom')
    },
  })
  expect(() => one.read(size, 1)).toThrow('boom')
  for (let i = 0; i < 100; i++) reading(takerThat(true)).read(size, 2)
  expect(bytes.every((byte) => byte === 1)).toBe(true)
})

/** What is done with a part of what has arrived: `keep` it, or look at it and let go of it. */
interface Part {
  readonly count: number
  readonly keep: boolean
}

test('whatever is kept of many connections stays as it came', () => {
  const part = fc.record({ count: fc.constantFrom(1, 100, 9_000, 20_000, size), keep: fc.boolean() })
  const step = fc.record({
    connection: fc.nat(2),
    length: fc.constantFrom(1, 500, 16_384, 16_385, 40_000, size, size, size),
    now: fc.array(part, { maxLength: 4 }),
    later: fc.array(part, { maxLength: 2 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const all = Array.from({ length: 3 }, () => new Connection())
      for (const [index, { connection, length, now, later }] of steps.entries()) {
        all[connection]!.read(length, index + 1, now)
        all[connection]!.takeParts(later)
        for (const one of all) one.check()
      }
    }),
    { numRuns: 300 },
  )
})

/** A connection whose messages are cut as a property likes; each read brings a byte of its own. */
class Connection implements ByteTaker {
  readonly #input = new ReceiveBuffer()
  readonly #reading = reading(this)
  readonly #kept: { piece: Buffer; copy: Buffer }[] = []
  #now: readonly Part[] = []
  /** What has arrived and was not taken. */
  #rest = Buffer.alloc(0)

  read(length: number, byte: number, now: readonly Part[]): void {
    this.#rest = Buffer.concat([this.#rest, Buffer.alloc(length, byte)])
    this.#now = now
    this.#reading.read(length, byte)
  }

  onBytes(bytes: Buffer, borrowed: boolean): boolean {
    this.#input.push(bytes, borrowed)
    this.takeParts(this.#now)
    return this.#input.settle()
  }

  takeParts(parts: readonly Part[]): void {
    for (const { count, keep } of parts) {
      const length = Math.min(count, this.#input.length)
      if (length === 0) return
      const piece = this.#input.take(length)
      const copy = this.#rest.subarray(0, length)
      this.#rest = this.#rest.subarray(length)
      if (!piece.equals(copy)) throw new Error('taken: not what came')
      if (keep) this.#kept.push({ piece, copy })
      else this.#input.giveBack()
    }
  }

  check(): void {
    for (const { piece, copy } of this.#kept) if (!piece.equals(copy)) throw new Error('kept: not what came')
    if (!this.#input.bytes.subarray(this.#input.at).equals(this.#rest)) throw new Error('rest: not what came')
  }
}

test('memory that a taker hands back later is read into again, a part of it is not', () => {
  const taker = takerThat(false)
  const one = reading(taker)
  one.read(size, 1)
  // The first read was copied out of the common memory, the second goes into it again.
  const [whole] = taker.taken.map(({ bytes }) => bytes)
  giveMemory(whole!.subarray(0, 100))
  giveMemory(whole!)
  const other = reading(takerThat(true))
  other.read(size, 2)
  expect(other.memory()).toBe(whole)
})
