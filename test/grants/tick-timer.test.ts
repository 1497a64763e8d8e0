import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { afterTicks } from '../../core/grants/tick-timer.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test.each([
  [2_000, 2_000],
  [250, 250],
  [25, 30],
])('of %i ms fires once, after %i', (ms, after) => {
  let fired = 0
  afterTicks(ms, () => fired++)
  vi.advanceTimersByTime(after - 1)
  expect(fired).toBe(0)
  vi.advanceTimersByTime(1)
  expect(fired).toBe(1)
  vi.advanceTimersByTime(ms * 10)
  expect(fired).toBe(1)
})

test('does not fire when it was cancelled', () => {
  let fired = 0
  const cancel = afterTicks(100, () => fired++)
  vi.advanceTimersByTime(99)
  cancel()
  vi.advanceTimersByTime(1_000)
  expect(fired).toBe(0)
})
