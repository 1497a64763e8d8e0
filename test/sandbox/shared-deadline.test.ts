import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SharedDeadline } from '../../core/sandbox/shared-deadline.ts'

const clock = fc.double({ min: 0, max: 1e9, noNaN: true })
const least = fc.integer({ min: 1, max: 10_000 })

test('a limit is whole, never less than asked for, and at most 100 ms more', () => {
  fc.assert(
    fc.property(clock, least, (now, least) => {
      const limit = new SharedDeadline().limit(least, now)
      expect(Number.isInteger(limit)).toBe(true)
      expect(limit).toBeGreaterThan(least)
      expect(limit).toBeLessThanOrEqual(least + 100)
    }),
  )
})

test('crossings of one tenth of a second have their deadlines in the same millisecond', () => {
  const within = fc.nat(99_999).map((microseconds) => microseconds / 1_000)
  fc.assert(
    fc.property(fc.nat(1e7), within, within, least, (tenth, one, other, least) => {
      const deadlines = [one, other].map((at) => {
        const now = tenth * 100 + at
        return now + new SharedDeadline().limit(least, now)
      })
      expect(Math.abs(deadlines[0]! - deadlines[1]!)).toBeLessThan(1.001)
    }),
  )
})

test('for a minute after a lost crossing limits are exact', () => {
  const deadline = new SharedDeadline()
  deadline.lost(1_000)
  expect([1_000, 30_000, 60_999].map((now) => deadline.limit(25, now))).toEqual([25, 25, 25])
  expect(deadline.limit(25, 61_000)).toBe(125)
})

describe('within that minute', () => {
  /** A crossing that the clock ends when the thread has used so much CPU time, and other threads as much again. */
  function lose(deadline: SharedDeadline, clock: { cpu: number }, used: number): { limit: number; cost: number } {
    const limit = deadline.limit(25, 1_000)
    clock.cpu += used
    const cost = deadline.ended()
    deadline.lost(1_000)
    return { limit, cost }
  }
  function watched(): { deadline: SharedDeadline; clock: { cpu: number } } {
    const clock = { cpu: 7 }
    const deadline = new SharedDeadline(() => ({ thread: clock.cpu, process: clock.cpu * 2 }))
    deadline.lost(1_000)
    return { deadline, clock }
  }

  test('limits grow while the clock ends crossings without their CPU time, and shrink when it was used', () => {
    const { deadline, clock } = watched()
    const used = [1, 24.9, 3, 0, 25, 400, 400, 400]
    const limits = used.map((ms) => lose(deadline, clock, ms).limit)
    expect(limits).toEqual([25, 100, 400, 500, 500, 400, 100, 25])
    expect(deadline.limit(25, 61_000)).toBe(125)
    expect(deadline.level).toBe(0)
  })

  test('what a crossing has cost is known, and without a reading it is what the limit was made longer by', () => {
    const { deadline, clock } = watched()
    expect(lose(deadline, clock, 3).cost).toBe(6)
    expect(deadline.limit(25, 61_000)).toBe(125)
    expect(deadline.ended()).toBe(100)
  })

  test('a limit that is longer anyway stays', () => {
    const { deadline } = watched()
    deadline.learn(false)
    expect(deadline.limit(1_005, 1_000)).toBe(1_005)
  })
})
