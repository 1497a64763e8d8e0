import { expect, test } from 'vitest'
import type { PolicyFacts } from '../../core/check/plugins.ts'
import { memoryProblem } from '../../core/check/warnings.ts'

function factsOf(...policies: readonly [group: string, memory: number][]): ReadonlyMap<string, PolicyFacts> {
  return new Map(
    policies.map(([group, memory], i) => [`p${i}`, { group, limits: { memory } } as unknown as PolicyFacts]),
  )
}

test('what fits says nothing', () => {
  expect(memoryProblem(4, factsOf(), 1)).toBeUndefined()
  expect(memoryProblem(4, factsOf(['a', 64], ['b', 64]), 512)).toBeUndefined()
})

test('plugins that share an isolate count once, with the largest of theirs', () => {
  expect(memoryProblem(2, factsOf(['a', 64], ['a', 256]), 512)).toBeUndefined()
  expect(memoryProblem(2, factsOf(['a', 64], ['a', 257]), 512)).toBe(
    'the isolate of each of the 2 workers may use 257 MB, 514 MB in total, but the host has only 512 MB; ' +
      'lower limits.memory or the number of workers',
  )
})

test('isolates add up, in every worker', () => {
  expect(memoryProblem(1, factsOf(['a', 1_024], ['b', 4_096]), 4_096)).toBe(
    'the 2 isolates of the worker may use 5120 MB, 5120 MB in total, but the host has only 4096 MB; ' +
      'lower limits.memory or the number of workers',
  )
  expect(memoryProblem('auto', factsOf(['a', 4_096]), 1_000)).toContain('the host has only 1000 MB')
})
