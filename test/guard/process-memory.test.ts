import { expect, test } from 'vitest'
import { ProcessWatch } from '../../core/guard/process-memory.ts'
import { SizeReader } from '../../core/guard/process-size.ts'
import type { MemoryMember, ProcessSize } from '../../core/sandbox/crossing-guard.ts'

/** A process with a size as the test wants it, and members that note when they are watched. */
function open() {
  const size = { resident: 100, virtual: 2_000 }
  const exhausted: ProcessSize[] = []
  let host = 20
  let reads = 0
  const read = (): ProcessSize => {
    reads++
    return { ...size }
  }
  const watch = new ProcessWatch(
    (one) => exhausted.push(one),
    { read },
    () => host,
  )
  let now = 0
  const member = (): MemoryMember & { watched: number; heap: number } => {
    const one = { turn: 0, heap: 10, watched: 0, held: () => one.heap, watch: () => one.watched++ }
    watch.join(one)
    return one
  }
  return {
    size,
    exhausted,
    member,
    watch,
    reads: () => reads,
    host: (heap: number) => {
      host = heap
    },
    cross: (one: MemoryMember, after = 60) => {
      now += after
      watch.crossed(one, now)
    },
  }
}

test('growth that no heap accounts for puts those that have crossed since under watch, and no others', () => {
  const { size, member, cross } = open()
  const [first, second] = [member(), member()]
  cross(first)
  size.resident += 40
  cross(first)
  expect([first.watched, second.watched]).toEqual([1, 0])
  for (let i = 0; i < 100; i++) cross(second)
  expect([first.watched, second.watched]).toEqual([1, 0])
  size.resident += 40
  cross(second)
  expect([first.watched, second.watched]).toEqual([1, 1])
  size.virtual += 100_000
  cross(first)
  expect([first.watched, second.watched]).toEqual([2, 1])
})

test('what heaps account for, and what was freed but stayed with the process, is no news', () => {
  const { size, member, cross, host } = open()
  const one = member()
  cross(one)
  one.heap += 60
  size.resident += 60
  cross(one)
  host(320)
  size.resident += 300
  cross(one)
  host(20)
  for (let i = 0; i < 100; i++) cross(one)
  size.resident += 30
  cross(one)
  expect(one.watched).toBe(0)
})

test('after the memory was given back, growth is news again', () => {
  const { size, member, cross, host } = open()
  const one = member()
  cross(one)
  host(320)
  size.resident += 300
  for (let i = 0; i < 30; i++) cross(one)
  host(20)
  size.resident -= 300
  for (let i = 0; i < 30; i++) cross(one)
  size.resident += 40
  cross(one)
  expect(one.watched).toBe(1)
})

test('a process that has grown too much ends', () => {
  const { size, member, cross, exhausted } = open()
  const one = member()
  cross(one)
  size.resident += 2_000_000
  cross(one)
  expect(exhausted).toEqual([expect.objectContaining({ resident: 2_000_000 })])
})

test('it looks once in 50 ms', () => {
  const { member, cross, reads } = open()
  const one = member()
  cross(one)
  const before = reads()
  for (let i = 0; i < 49; i++) cross(one, 1)
  expect(reads()).toBe(before)
})

test('the size of this process is what Node says it is', () => {
  const reader = new SizeReader()
  const { resident, virtual } = reader.read()
  const expected = process.memoryUsage.rss() / 2 ** 20
  expect(resident).toBeGreaterThan(expected * 0.8)
  expect(resident).toBeLessThan(expected * 1.2)
  if (process.platform === 'linux') expect(virtual).toBeGreaterThan(resident)
})
