import fc from 'fast-check'
import { expect, test } from 'vitest'
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
