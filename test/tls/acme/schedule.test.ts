import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRetryAfter, renewalAt, retryDelay, shortestInterval } from '../../../core/acme/schedule.ts'

const day = 86_400_000
const fingerprint = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }).map((bits) => bits.toString(16).padStart(64, '0'))

describe('renewal', () => {
  test('is at two thirds of the lifetime, give or take 3 % of it', () => {
    fc.assert(
      fc.property(fingerprint, fc.integer({ min: 1, max: 400 }), (print, days) => {
        const lifetime = days * day
        const part = (renewalAt({ validFrom: day, validTo: day + lifetime, fingerprint: print }) - day) / lifetime
        return part > 0.636 && part < 0.698
      }),
    )
  })

  test('comes at different times for certificates that were issued together, and at the same for the same one', () => {
    const at = (print: string): number => renewalAt({ validFrom: 0, validTo: 90 * day, fingerprint: print })
    expect(Math.abs(at('00'.repeat(32)) - at('ff'.repeat(32)))).toBeGreaterThan(4 * day)
    expect(at('ab'.repeat(32))).toBe(at('ab'.repeat(32)))
  })

  test('is no earlier than an hour after the last one, or a third of a short lifetime', () => {
    expect(shortestInterval({ validFrom: 0, validTo: 90 * day, fingerprint: '' })).toBe(3_600_000)
    expect(shortestInterval({ validFrom: 0, validTo: 6_000, fingerprint: '' })).toBe(2_000)
  })
})

describe('after failures', () => {
  test('tries come after 1, 4, 16 and then 60 minutes', () => {
    const minutes = [1, 2, 3, 4, 5, 1000].map((failures) => retryDelay(failures, 0, 0.5) / 60_000)
    expect(minutes).toEqual([1, 4, 16, 60, 60, 60])
    expect(retryDelay(1, 0, 0)).toBe(54_000)
    expect(retryDelay(1, 0, 1)).toBeCloseTo(66_000)
  })

  test('no hour has more tries than the five failures that Let’s Encrypt allows', () => {
    const times = [0]
    for (let failures = 1; failures < 50; failures++) times.push(times.at(-1)! + retryDelay(failures, 0, 0))
    const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 3_600_000).length))
    expect(most).toBeLessThanOrEqual(5)
  })

  test('none comes before the CA wants it, for a week at most', () => {
    expect(retryDelay(1, 7_200_000)).toBe(7_200_000)
    expect(retryDelay(1, 1_000, 0.5)).toBe(60_000)
    expect(retryDelay(1, Number.MAX_SAFE_INTEGER)).toBe(7 * day)
  })
})

test.each([
  ['120', 120_000],
  ['0', 0],
  ['Thu, 01 Jan 1970 00:02:00 GMT', 60_000],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['soon', undefined],
  ['', undefined],
  ['-5', undefined],
])('Retry-After "%s" is %s ms from one minute past on', (value, expected) => {
  expect(parseRetryAfter(value, 60_000)).toBe(expected)
})
