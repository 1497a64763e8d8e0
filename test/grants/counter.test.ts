import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCounter } from '../../core/grants/counter/counter.ts'
import { createMemoryCounters } from '../../core/grants/counter/memory-counters.ts'
import { grantCall } from './call.ts'

type Take = (
  key: string,
  points: number,
  duration: number,
  cost?: number,
  policy?: string,
) => Promise<readonly string[]>

function counter(bounds?: { limits?: number; keys?: number }): Take {
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
