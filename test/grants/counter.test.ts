import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCounter } from '../../core/grants/counter/counter.ts'
import { type CounterBounds, type Limit, LimitTable } from '../../core/grants/counter/limit-table.ts'
import { createMemoryCounters } from '../../core/grants/counter/memory-counters.ts'
import { grantCall } from './call.ts'

type Take = (
  key: string,
  points: number,
  duration: number,
  cost?: number,
  policy?: string,
) => Promise<readonly string[]>

function counter(bounds?: CounterBounds): Take {
  const { take } = createCounter(createMemoryCounters(bounds))
  return async (key, points, duration, cost = 1, policy = 'p') =>
    take([key, String(points), String(duration), String(cost)], grantCall('counter.take', [], { policy }))
}

test('a budget is used up, and says what is left', async () => {
  const take = counter()
  expect(await take('k', 2, 60)).toEqual(['1', '1', '60'])
  expect(await take('k', 2, 60)).toEqual(['1', '0', '60'])
  expect((await take('k', 2, 60)).slice(0, 2)).toEqual(['', '0'])
  expect(await take('other', 2, 60)).toEqual(['1', '1', '60'])
})

test('policies and limits do not meet', async () => {
  const take = counter()
  await take('k', 1, 60)
  expect((await take('k', 1, 60))[0]).toBe('')
  expect((await take('k', 1, 60, 1, 'q'))[0]).toBe('1')
  expect((await take('k', 1, 61))[0]).toBe('1')
})

test('what is taken never passes the budget, and a refused take takes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.integer({ min: 0, max: 25 })),
      async (points, costs) => {
        const take = counter()
        let left = points
        for (const cost of costs) {
          const [allowed, remaining] = await take('k', points, 3600, cost)
          expect(allowed).toBe(cost <= left ? '1' : '')
          if (cost <= left) left -= cost
          expect(remaining).toBe(String(left))
        }
      },
    ),
    { numRuns: 30 },
  )
})

test('a window ends', async () => {
  const take = counter()
  await take('k', 1, 0.05)
  const deadline = performance.now() + 5_000
  let allowed = ''
  while (allowed === '' && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    allowed = (await take('k', 1, 0.05))[0]!
  }
  expect(allowed).toBe('1')
})

test('keys and limits are bounded', async () => {
  const take = counter({ keys: 2, limits: 2 })
  for (const key of ['a', 'b', 'c']) await take(key, 1, 60)
  expect((await take('c', 1, 60))[0]).toBe('')
  expect((await take('a', 1, 60))[0]).toBe('1')
  await take('a', 2, 60)
  await expect(take('a', 3, 60)).rejects.toThrow('more than 2 different limits')
})

describe('no policy takes anything away from another one', () => {
  test('with a thousand limits for weeks, a policy gets sixteen and the others theirs', async () => {
    const take = counter()
    const weeks = 2_000_000
    const outcomes = new Set<string>()
    for (let i = 1; i <= 1_000; i++) {
      outcomes.add(
        await take('k', i, weeks, 0, 'hostile').then(
          () => 'taken',
          (error: Error) => error.message,
        ),
      )
    }
    expect([...outcomes]).toEqual([
      'taken',
      'the policy uses more than 16 different limits (points and duration); use fewer',
    ])
    expect((await take('k', 5, 60, 1, 'innocent'))[0]).toBe('1')
    for (let i = 0; i < 16; i++) expect((await take('k', 5, 60 + i, 1, 'another'))[0]).toBe('1')
  })

  test('with any number of keys: while it holds no more than its share, a window stays', async () => {
    const policies = ['a', 'b', 'c', 'd']
    const bounds = { limits: 3, keys: 40, total: 80 }
    const share = bounds.total / policies.length
    const step = fc.tuple(fc.constantFrom(...policies), fc.nat(200), fc.integer({ min: 1, max: 3 }))
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 400, size: 'max' }), async (steps) => {
        const take = counter(bounds)
        const seen = new Map(policies.map((policy) => [policy, new Set<string>()]))
        for (const [policy, key, points] of steps) {
          const own = seen.get(policy)!
          const window = `${key} ${points}`
          const [, remaining] = await take(String(key), points, 3_600, 1, policy)
          // Known and never forgotten: another point is gone. New or forgotten: it begins with all points.
          if (!own.has(window)) expect(remaining).toBe(String(points - 1))
          else if (own.size <= share && points > 1) expect(Number(remaining)).toBeLessThan(points - 1)
          own.add(window)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('with long keys: they take no more room than short ones, and stay apart', async () => {
    const kept: string[] = []
    const store = createCounter({
      take: (_policy, key) => {
        kept.push(key)
        return { allowed: true, remaining: 1, reset: 1 }
      },
    })
    const long = 'k'.repeat(511)
    for (const key of [`${long}a`, `${long}b`, `${long}a`, 'k'.repeat(64)]) {
      void store.take([key, '1', '60', '1'], grantCall('counter.take'))
    }
    expect(kept.every(({ length }) => length <= 64)).toBe(true)
    expect(new Set(kept).size).toBe(3)
    expect(kept[0]).toBe(kept[2])
  })

  test('a limit of an earlier configuration gives way after a minute without use', () => {
    let now = 0
    const limits = new LimitTable<object, Limit<object>>(
      { limits: 2 },
      (policy, points, duration) => ({ policy, points, duration, windows: new Map(), used: 0 }),
      (_limit, _key, _window, isFull) => isFull,
    )
    const use = (points: number): void => {
      const limit = limits.get('p', points, 60, now)
      if (limit.windows.size === 0) limits.begun(limit, 'k', {})
    }
    use(1)
    use(2)
    expect(() => use(3)).toThrow('more than 2 different limits')
    now = 60_000
    use(2)
    use(3)
    expect(() => use(1)).toThrow('more than 2 different limits')
  })
})

test.each([
  ['k', 0, 60, 1, 'points must be a whole number, 1 or more, not 0'],
  ['k', 1.5, 60, 1, 'points must be a whole number, 1 or more, not 1.5'],
  ['k', 1, 0, 1, 'duration must be more than 0 and at most 2147483 seconds, not 0'],
  ['k', 1, Number.NaN, 1, 'duration must be more than 0 and at most 2147483 seconds, not NaN'],
  ['k', 1, 60, -1, 'cost must be a whole number, 0 or more, not -1'],
  ['k'.repeat(513), 1, 60, 1, 'the key has 513 characters; the limit is 512'],
])('%s %d %d %d is refused', async (key, points, duration, cost, message) => {
  await expect(counter()(key, points, duration, cost)).rejects.toThrow(message)
})

test('a store that does not answer is not waited for', async () => {
  const { take } = createCounter({ take: () => new Promise(() => {}) }, 20)
  const taken = Promise.resolve(take(['k', '1', '60', '1'], grantCall('counter.take')))
  await expect(taken).rejects.toThrow('no response within 20 ms')
})
