import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { garbageFlags } from '../../core/process/garbage-flags.ts'

test.each([
  [24_576, 2, 16],
  [4_096, 4, 5],
  [2_048, 1, 10],
  [512, 1, 2],
  [128, 8, 1],
])('%i MB and %i workers: %i MB each for what was allocated last', (memory, workers, size) => {
  expect(garbageFlags(memory, workers)[0]).toBe(`--min-semi-space-size=${size}`)
})

test('the Node that runs here knows the flags, and begins with the size', () => {
  const source = "v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_available_size"
  const { status, stdout, stderr } = spawnSync(process.execPath, [...garbageFlags(4_096, 2), '-p', source])
  expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: '' })
  expect(Number(stdout) / 2 ** 20).toBeGreaterThan(9)
})
