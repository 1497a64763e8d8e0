import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Repeats } from '../../core/grants/repeats.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function open(): { lines: string[]; repeats: Repeats; add: (owner: string, key: string) => void } {
  const lines: string[] = []
  const repeats = new Repeats()
  const add = (owner: string, key: string): void =>
    repeats.add(owner, key, (count) => lines.push(`${owner} ${key} ${count}`))
  return { lines, repeats, add }
}

test('the first is written at once, the others once a second with their number', () => {
  const { lines, add } = open()
  for (let i = 0; i < 100; i++) add('a', 'x')
  expect(lines).toEqual(['a x 1'])
  vi.advanceTimersByTime(1_000)
  expect(lines).toEqual(['a x 1', 'a x 99'])
  for (let second = 0; second < 5; second++) {
    for (let i = 0; i < 10; i++) add('a', 'x')
    vi.advanceTimersByTime(1_000)
  }
  expect(lines.slice(2)).toEqual(Array.from({ length: 5 }, () => 'a x 10'))
  // After a second without any the next one is the first again.
  vi.advanceTimersByTime(1_000)
  add('a', 'x')
  expect(lines.at(-1)).toBe('a x 1')
})

test('different lines are ten at once and then counted, whoever else writes', () => {
  const { lines, add } = open()
  for (let i = 0; i < 50; i++) add('a', `x${i}`)
  add('b', 'y')
  expect(lines).toEqual([...Array.from({ length: 10 }, (_, i) => `a x${i} 1`), 'b y 1'])
  vi.advanceTimersByTime(1_000)
  expect(lines.slice(11)).toEqual(['a x49 40'])
})

test('nothing is lost at the end, and no timer stays', () => {
  const { lines, repeats, add } = open()
  for (let i = 0; i < 3; i++) add('a', 'x')
  repeats.flush()
  expect(lines).toEqual(['a x 1', 'a x 2'])
  vi.advanceTimersByTime(5_000)
  expect(lines).toHaveLength(2)
  expect(vi.getTimerCount()).toBe(0)
})
