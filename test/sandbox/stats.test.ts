import { afterEach, expect, test } from 'vitest'
import type { HookCall } from '../../core/sandbox/plugin.ts'
import { type Harness, inputOf, openHarness } from './harness.ts'

let harness: Harness
afterEach(() => harness.sandbox.close())

test('what policies did is counted for each, and summed for their plugin', async () => {
  harness = await openHarness([
    // With time enough that only the endless loop uses it up, on a busy machine too.
    { plugin: 'hostile', limits: { time: 1000 } },
    { plugin: 'hostile', limits: { time: 200 } },
    { plugin: 'budget', fields: ['path', 'client.ip'], group: 'other' },
    { plugin: 'wrong' },
  ])
  const { sandbox, run } = harness
  await Promise.all([run(0, '/a'), run(0, '/b'), run(1, '/c')])
  await run(1, '/loop')
  await run(2, '/x', '192.0.2.1')
  await run(3, '/boom')
  sandbox.skipped(0)
  await new Promise<void>((resolve) => {
    const call: HookCall = {
      hook: 'onRequest',
      flow: 'f',
      steps: [{ instance: 0, input: inputOf(['/x']) }],
      settle: () => {
        sandbox.refused(call, 'no')
        resolve()
        return false
      },
    }
    sandbox.call(call)
  })

  const stats = sandbox.stats()
  expect(stats.map(({ plugin, group }) => [plugin, group])).toEqual([
    ['hostile', 'local'],
    ['wrong', 'local'],
    ['budget', 'other'],
  ])
  const [hostile, wrong, budget] = stats
  expect(hostile!.policies).toMatchObject([
    { policy: 'policy-0', calls: 3, skipped: 1, operations: 3, timeouts: 0, refused: 1 },
    { policy: 'policy-1', calls: 2, skipped: 0, operations: 1, timeouts: 1, refused: 0, batches: 1 },
  ])
  expect(hostile).toMatchObject({ calls: 5, skipped: 1, operations: 4, timeouts: 1, errors: 0, refused: 1 })
  // Calls of one turn share a crossing, unless a busy machine cuts it short; the refused call has its own.
  expect([2, 3]).toContain(hostile!.policies[0]!.batches)
  expect([3, 4, 5]).toContain(hostile!.batches)
  expect(wrong).toMatchObject({ calls: 1, errors: 1 })
  // Three grants with the wait that each brings, and two headers; only the counter has to be waited for.
  expect(budget).toMatchObject({ calls: 1, operations: 8, batches: 2, restarts: 0 })
  // The endless call used up its time alone; its isolate was lost once with other calls and once with it alone.
  expect(hostile!.policies[1]!.time).toBeGreaterThan(200)
  expect(hostile!.restarts).toBe(wrong!.restarts)
  expect(hostile!.restarts).toBeGreaterThan(0)
  expect(hostile!.heap).toBeGreaterThan(0)
  for (const { time, quarantine } of stats) {
    expect(time).toBeGreaterThan(0)
    expect(quarantine).toBe('closed')
  }
})
