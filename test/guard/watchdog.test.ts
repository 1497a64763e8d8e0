import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readReport, type StuckReport } from '../../core/guard/end-report.ts'
import { type Poll, StallDetector, suspectsOf } from '../../core/guard/stall-detector.ts'
import type { GuardedCall } from '../../core/sandbox/crossing-guard.ts'
import { guarded } from '../helpers/guarded.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const second: GuardedCall = {
  hash: 'hash-waf',
  plugin: 'waf',
  policy: 'waf-policy',
  hook: 'onRequest',
  flow: 'flow-1',
}

describe('ends the process, and names the call', () => {
  test.concurrent.for<[string, string, number]>([
    ['a builtin that no time limit interrupts', 'bigint', 250],
    ['a loop', 'loop', 1_000],
    ['a loop after a while without crossings', 'late', 250],
  ])('%s', async ([, scenario, hard], context) => {
    const { signal, report } = await guarded(context, scenario, { hard }).exited
    expect(signal).toBe('SIGKILL')
    const { calls, polls } = readReport(report) as StuckReport
    expect(calls).toEqual([second])
    // One each 25 ms; four times as many when the machine is so busy that the loop gets no processor.
    expect(polls).toBeGreaterThanOrEqual(hard / 25)
    expect(polls).toBeLessThanOrEqual((hard / 25 + 1) * 4)
  })

  test.concurrent('one call of each policy when the dispatcher is between two calls', async (context) => {
    const { signal, report } = await guarded(context, 'nowhere', { hard: 250 }).exited
    expect(signal).toBe('SIGKILL')
    expect((readReport(report) as StuckReport).calls.map(({ plugin }) => plugin)).toEqual(['auth', 'waf', 'limit'])
  })

  test.concurrent('one call of each policy when the host reads what the crossing has brought', async (context) => {
    const { signal, report } = await guarded(context, 'reading', { hard: 250 }).exited
    expect(signal).toBe('SIGKILL')
    expect((readReport(report) as StuckReport).calls.map(({ plugin }) => plugin)).toEqual(['auth', 'waf', 'limit'])
  })
})

describe('does not end the process', () => {
  test.concurrent.for<[string, string]>([
    ['that exits, and that its watchdog does not keep alive', 'idle'],
    ['whose crossing has a time limit that is not over', 'allowed'],
    ['whose crossing goes from call to call', 'stepwise'],
    ['that crosses all the time', 'many'],
    ['whose own code does not return', 'own'],
    ['whose own code does not return once everything is read', 'read'],
    ['whose thread gets no processor', 'starved'],
    ['whose guard is closed', 'closed'],
  ])('%s', async ([, scenario], context) => {
    expect(await guarded(context, scenario, { hard: 400 }).exited).toMatchObject({
      code: 0,
      stdout: 'ready\ndone\n',
      report: '',
    })
  })

  test.concurrent('that is stopped for three seconds', async (context) => {
    const { child, ready, exited } = guarded(context, 'long')
    await ready
    child.kill('SIGSTOP')
    await pause(3_000)
    child.kill('SIGCONT')
    expect(await exited).toMatchObject({ code: 0, stdout: 'ready\ndone\n', report: '' })
  })

  test.concurrent('that runs for moments only', async (context) => {
    const { child, ready, exited } = guarded(context, 'long')
    await ready
    for (let moment = 0; moment < 12; moment++) {
      child.kill('SIGSTOP')
      await pause(250)
      child.kill('SIGCONT')
      await pause(10)
    }
    expect(await exited).toMatchObject({ code: 0, stdout: 'ready\ndone\n', report: '' })
  })
})

describe('a stall detector', () => {
  const poll = fc.record({ number: fc.integer({ min: 0, max: 2 }), index: fc.integer({ min: -1, max: 1 }) })

  test('sees a stall exactly when the last polls all saw the same call run', () => {
    fc.assert(
      fc.property(fc.array(poll, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (polls, limit) => {
        const stall = new StallDetector(25)
        polls.forEach((now, count) => {
          // The first poll that sees a call is not one without progress: hence one more.
          const last = polls.slice(Math.max(0, count - limit), count + 1)
          const same = last.every(({ number, index }) => number === now.number && index === now.index)
          const stuck = last.length === limit + 1 && same && now.number !== 0
          expect(stall.isStuck({ ...now, cpu: count * 25 }, limit)).toBe(stuck)
        })
      }),
    )
  })

  test.each([
    [25, 40],
    [26, 39],
    [40, 25],
    [50, 20],
    [200, 20],
    [12.5, 40],
    [12, 42],
    [1, 160],
  ])('that sees %f ms of CPU time in each poll sees a stall after %i', (each, polls) => {
    const stall = new StallDetector(25)
    const results = Array.from({ length: 162 }, (_, i) => stall.isStuck({ number: 7, index: 0, cpu: i * each }, 40))
    expect(results.indexOf(true)).toBe(polls)
  })

  test('takes four times as many polls when the process gets no CPU time', () => {
    const stall = new StallDetector(25)
    const here: Poll = { number: 7, index: 0, cpu: 100 }
    const results = Array.from({ length: 162 }, () => stall.isStuck(here, 40))
    expect(results.indexOf(true)).toBe(160)
  })
})

test('an index that names no call makes a suspect of each policy and hook', () => {
  const other = { ...second, policy: 'other' }
  const calls = [second, { ...second, flow: 'flow-2' }, undefined, other]
  expect(suspectsOf(calls, 1)).toEqual([{ ...second, flow: 'flow-2' }])
  for (const index of [-1, 2, 4]) expect(suspectsOf(calls, index)).toEqual([second, other])
})

test('a report is found among other output, and half a report is not a report', () => {
  const stuck = { type: 'stuck', calls: [second], polls: 40 }
  const resources = { type: 'resources', resident: 2_000, virtual: 9_000 }
  for (const report of [stuck, resources])
    expect(readReport(`null\n{"type":"st\n${JSON.stringify(report)}\n`)).toEqual(report)
  for (const text of ['', 'null', '{"type":"stuck"}', '{"type":"stuck","calls":['])
    expect(readReport(text)).toBe(undefined)
})
