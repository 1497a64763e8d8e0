import { expect, test } from 'vitest'
import { inSlices, type Steps } from '../core/in-slices.ts'

/** A clock on which each look takes a millisecond, more than a slice. */
function hurried(): () => number {
  let time = 0
  return () => time++
}

test('lets the event loop go round between slices, and keeps it for a few steps at most', async () => {
  let inThisTurn = 0
  let most = 0
  let turns = 0
  let over = false
  const goRound = (): void => {
    turns++
    inThisTurn = 0
    if (!over) setImmediate(goRound)
  }
  function* work(): Steps<string> {
    for (let step = 0; step < 800; step++) {
      most = Math.max(most, ++inThisTurn)
      yield
    }
    return 'done'
  }
  setImmediate(goRound)
  expect(await inSlices(work(), hurried())).toBe('done')
  over = true
  // Two slices may fall between two of our own turns, but no more.
  expect(most).toBeLessThanOrEqual(16)
  expect(turns).toBeGreaterThan(800 / 16 - 2)
})

test('does at once what fits into one slice', async () => {
  let turns = 0
  setImmediate(() => turns++)
  function* work(): Steps<number> {
    for (let step = 0; step < 10_000; step++) yield
    return 7
  }
  expect(await inSlices(work(), () => 0)).toBe(7)
  expect(turns).toBe(0)
})

test('rejects with what the work throws', async () => {
  function* work(): Steps<void> {
    yield
    throw new Error('step two')
  }
  await expect(inSlices(work())).rejects.toThrow('step two')
})
