import { expect, test } from 'vitest'
import { ReadBuffer } from '../../core/net/read-buffer.ts'

const size = 64 * 1024

/** A buffer as a socket uses it, and what its taker was given. */
function reading(wantsMore: () => boolean = () => true) {
  const buffer = new ReadBuffer()
  const taken: { bytes: Buffer; borrowed: boolean }[] = []
  buffer.taker = (bytes, borrowed) => {
    taken.push({ bytes, borrowed })
    return wantsMore()
  }
  const { onread } = buffer
  const next = (): Uint8Array => (onread.buffer as () => Uint8Array)()
  let memory = next()
  /** As node does it: fills what it was given last, tells of it, and asks what to fill next. */
  const read = (length: number, byte: number): boolean => {
    memory.fill(byte, 0, length)
    const goOn = onread.callback(length, memory)
    memory = next()
    return goOn
  }
  return { buffer, taken, read, memory: () => memory }
}

test('small messages are copied out of memory that all share', () => {
  const [one, two] = [reading(), reading()]
  expect(one.memory()).toBe(two.memory())
  one.read(100, 1)
  two.read(200, 2)
  expect(one.taken).toEqual([{ bytes: Buffer.alloc(100, 1), borrowed: false }])
  expect(two.taken).toEqual([{ bytes: Buffer.alloc(200, 2), borrowed: false }])
})

test('bulk is lent out of memory of its own, until a read does not fill it', () => {
  const [one, two] = [reading(), reading()]
  one.read(20_000, 1)
  expect(one.memory()).not.toBe(two.memory())
  one.read(size, 2)
  one.read(size, 3)
  two.read(size, 4)
  one.read(size - 1, 5)
  expect(one.taken.map(({ bytes, borrowed }) => [bytes.length, borrowed])).toEqual([
    [20_000, false],
    [size, true],
    [size, true],
    [size - 1, true],
  ])
  expect(one.taken[0]!.bytes).toEqual(Buffer.alloc(20_000, 1))
  expect(one.memory()).toBe(reading().memory())
})

test.each([
  { wantsMore: true, reused: true },
  { wantsMore: false, reused: false },
])('memory goes to the next socket only once nobody waits to send it: $reused', ({ wantsMore, reused }) => {
  let last = false
  const one = reading(() => wantsMore || !last)
  one.read(20_000, 1)
  const own = one.memory()
  last = true
  expect(one.read(30_000, 2)).toBe(wantsMore)
  const others = Array.from({ length: 80 }, () => {
    const other = reading()
    other.read(20_000, 3)
    return other
  })
  expect(others.some((other) => other.memory() === own)).toBe(reused)
})

test('released, it gives its memory away and takes no more', () => {
  const one = reading()
  one.read(20_000, 1)
  const own = one.memory()
  one.buffer.release()
  expect(one.read(10, 2)).toBe(false)
  expect(one.taken).toHaveLength(1)
  const other = reading()
  other.read(20_000, 3)
  expect(other.memory()).toBe(own)
})
