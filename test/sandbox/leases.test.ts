import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { createGrantHost, type GrantHost } from '../../core/grants/grant-host.ts'
import type { Verdict } from '../../core/sandbox/plugin.ts'
import { type Bound, type Harness, headerOf, inputOf, openHarness } from './harness.ts'

const open: Harness[] = []
afterEach(() => {
  for (const { sandbox } of open.splice(0)) sandbox.close()
})

interface Counting extends GrantHost {
  /** Takes that the host has decided. */
  takes: number
}

/** @param inside whether dispatchers may decide. */
function counting(inside = true): Counting {
  const grants = createGrantHost()
  const { immediate } = grants
  const host: Counting = {
    takes: 0,
    ...(immediate && { immediate }),
    ...(inside && { leases: grants.leases }),
    perform: (call) => {
      if (call.operation === 'counter.take') host.takes++
      return grants.perform(call)
    },
  }
  return host
}

async function harness(grants: GrantHost, bound: readonly Bound[] = [{ plugin: 'takes' }]): Promise<Harness> {
  const opened = await openHarness(bound, { grants })
  open.push(opened)
  return opened
}

interface Take {
  readonly key: string
  readonly points?: number
  readonly duration?: number
  readonly cost?: number
}

const path = (takes: readonly (Take | null)[], then?: string | number): string => JSON.stringify({ takes, then })
const results = (verdict: Verdict): unknown => JSON.parse(headerOf(verdict) ?? '"no result"')
const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one)

/** Calls until the dispatcher knows the key: the authority answers the first take, the host the second. */
async function known(opened: Harness, take: Take): Promise<void> {
  for (let i = 0; i < 2; i++) await opened.run(0, path([{ ...take, cost: 0 }]))
}

describe('a key that the host has answered for', () => {
  test('is decided in the crossing, exactly', async () => {
    const grants = counting()
    const opened = await harness(grants)
    await known(opened, { key: 'k', points: 100 })
    const verdicts = await Promise.all(times(120, path([{ key: 'k', points: 100 }])).map((one) => opened.run(0, one)))
    expect(verdicts.map(results)).toEqual([
      ...Array.from({ length: 100 }, (_, i) => [[true, 99 - i]]),
      ...times(20, [[false, 0]]),
    ])
    expect(grants.takes).toBe(2)
  })

  test('is decided in the next isolate and in the next sandbox from the same points', async () => {
    const grants = counting()
    const first = await harness(grants)
    const take = { key: 'k', points: 10 }
    await known(first, take)
    expect(results(await first.run(0, path([take, take])))).toEqual([
      [true, 9],
      [true, 8],
    ])
    expect(await first.run(0, path([], 'loop'))).toMatchObject({ kind: 'failed', code: 'PT' })
    expect(results(await first.run(0, path([take, take])))).toEqual([
      [true, 7],
      [true, 6],
    ])
    const second = await harness(grants)
    first.sandbox.close()
    expect(results(await second.run(0, path([take, take])))).toEqual([
      [true, 5],
      [true, 4],
    ])
    expect(results(await second.run(0, path([take])))).toEqual([[true, 3]])
    expect(grants.takes).toBeLessThan(8)
  })

  test('is decided by the host when a policy uses more keys than have room, without a mistake', async () => {
    const grants = counting()
    const opened = await harness(grants)
    const keys = Array.from({ length: 700 }, (_, i) => ({ key: `key ${i}`, points: 10 }))
    for (let round = 0; round < 5; round++) {
      const verdicts = await Promise.all(keys.map((take) => opened.run(0, path([take]))))
      expect(verdicts.map(results)).toEqual(times(700, [[true, 9 - round]]))
    }
    expect(grants.takes).toBeGreaterThan(1_500)
  })

  test("is not another policy's", async () => {
    const grants = counting()
    const opened = await harness(grants, [{ plugin: 'takes' }, { plugin: 'takes' }])
    const take = { key: 'k', points: 3 }
    await known(opened, take)
    await opened.run(0, path([take, take, take]))
    expect(results(await opened.run(1, path([take])))).toEqual([[true, 2]])
    expect(results(await opened.run(1, path([take])))).toEqual([[true, 1]])
    expect(results(await opened.run(0, path([take])))).toEqual([[false, 0]])
  })

  test.each([
    ['is refused', 'k', 0.5],
    ['has a key so long that no dispatcher decides it', 'k'.repeat(80), 1],
  ])('is not that of a take before it which %s', async (_why, key, cost) => {
    const grants = counting()
    const opened = await harness(grants)
    const first = { key, points: 9 }
    const second = { key: 'other', points: 3 }
    await known(opened, first)
    await known(opened, second)
    await opened.run(0, path([{ ...first, cost }, second]))
    const left = cost === 1 ? 8 : 9
    expect(results(await opened.run(0, path([{ ...first, cost: 0 }])))).toEqual([[true, left]])
    expect(results(await opened.run(0, path([{ ...second, cost: 0 }])))).toEqual([[true, 2]])
  })
})

describe('what is taken in a crossing that is lost', () => {
  test.each([0, 1, 2, 3, 5, 8, 13, 21, 34])('is not taken again: %i turns later', async (turns) => {
    const grants = counting()
    const opened = await harness(grants, [{ plugin: 'takes' }, { plugin: 'late-loop', limits: { time: 50 } }])
    const take = { key: 'k', points: 20 }
    await known(opened, take)
    const [taken, lost] = await Promise.all([opened.run(0, path([take, take, take])), opened.run(1, `/${turns}`)])
    expect(lost).toMatchObject({ kind: 'failed', code: 'PT' })
    expect(results(taken)).toEqual([
      [true, 19],
      [true, 18],
      [true, 17],
    ])
    expect(results(await opened.run(0, path([take])))).toEqual([[true, 16]])
  })

  test('is not taken again by a step behind another one', async () => {
    const opened = await harness(counting(), [
      { plugin: 'takes' },
      { plugin: 'hostile' },
      { plugin: 'late-loop', limits: { time: 50 } },
    ])
    const take = { key: 'k', points: 20 }
    await known(opened, take)
    const steps = [
      { instance: 1, input: inputOf(['/a']) },
      { instance: 0, input: inputOf([path([take, take])]) },
    ]
    const taken = new Promise<Verdict>((resolve) =>
      opened.sandbox.call({
        hook: 'onRequest',
        flow: 'f',
        steps,
        settle: (step, verdict) => {
          if (step === 1) resolve(verdict)
          return step === 0
        },
      }),
    )
    const lost = opened.run(2, '/20')
    expect(results(await taken)).toEqual([
      [true, 19],
      [true, 18],
    ])
    await lost
    expect(results(await opened.run(0, path([take])))).toEqual([[true, 17]])
  })

  test.each([0, 1, 2, 3])('is not taken again by a hook that waits %i turns of the event loop later', async (turns) => {
    const opened = await harness(counting(), [{ plugin: 'takes' }, { plugin: 'late-loop', limits: { time: 50 } }])
    const take = { key: 'k', points: 20 }
    await known(opened, take)
    // The authority answers the third one.
    const taken = opened.run(0, path([take, take, { key: 'new' }]))
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
    const lost = opened.run(1, '/0')
    expect(results(await taken)).toEqual([
      [true, 19],
      [true, 18],
      [true, 999],
    ])
    await lost
    expect(results(await opened.run(0, path([take, { key: 'new' }])))).toEqual([
      [true, 17],
      [true, 998],
    ])
  })

  test('is not taken again by a hook that waits for nothing that the host knows of', async () => {
    const limits = { wait: 500 }
    const opened = await harness(counting(), [
      { plugin: 'takes', limits },
      { plugin: 'late-loop', limits: { time: 50 } },
    ])
    const take = { key: 'k', points: 20 }
    await known(opened, take)
    const taken = opened.run(0, path([take, take], 'never'))
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
    await opened.run(1, '/0')
    await known(opened, take)
    expect(await taken).toMatchObject({ kind: 'failed', code: 'PT' })
    expect(results(await opened.run(0, path([take])))).toEqual([[true, 17]])
  })

  test('is not taken again by an isolate that has learnt of the key meanwhile', async () => {
    const opened = await harness(counting(), [{ plugin: 'takes' }, { plugin: 'late-loop', limits: { time: 50 } }])
    const take = { key: 'k', points: 20 }
    await known(opened, take)
    // It has taken nothing when the crossing is lost, and is the first to begin again.
    const late = JSON.stringify({ takes: [take], after: 12 })
    const [last, first] = await Promise.all([
      opened.run(0, late),
      opened.run(0, path([take, take])),
      opened.run(1, '/5'),
    ])
    // On a busy machine they may not share the crossing that is lost.
    const seen = [first!, last!].flatMap((verdict) => results(verdict) as [boolean, number][])
    expect(seen.map(([, remaining]) => remaining).sort()).toEqual([17, 18, 19])
    expect(results(await opened.run(0, path([take])))).toEqual([[true, 16]])
  })

  test('counts when the hook throws, or is stopped', async () => {
    const grants = counting()
    const opened = await harness(grants, [{ plugin: 'takes', limits: { time: 50 } }])
    const take = { key: 'k', points: 20 }
    await known(opened, take)
    expect(await opened.run(0, path([take], 'throw'))).toMatchObject({ kind: 'failed', code: 'PE' })
    expect(await opened.run(0, path([take, take], 3))).toMatchObject({ kind: 'failed', code: 'PT' })
    expect(results(await opened.run(0, path([take])))).toEqual([[true, 16]])
  })
})

test('a call has the operations that its policy allows, wherever they are decided', async () => {
  for (const inside of [true, false]) {
    const grants = counting(inside)
    const opened = await harness(grants, [{ plugin: 'takes', limits: { operations: 5 } }])
    await known(opened, { key: 'k' })
    const before = opened.sandbox.stats()[0]!.operations
    const seen = results(await opened.run(0, path(times(7, { key: 'k' })))) as unknown[]
    expect(seen.slice(0, 5)).toEqual([999, 998, 997, 996, 995].map((left) => [true, left]))
    expect(seen.slice(5)).toEqual(times(2, expect.stringContaining('one hook call may use 5 grant operations at most')))
    expect(opened.sandbox.stats()[0]!.operations - before).toBe(11)
    expect(results(await opened.run(0, path([{ key: 'k' }])))).toEqual([[true, 994]])
  }
})

const key = fc.constantFrom('k', 'l', 'm\u001e', 'n'.repeat(65), 'o\u001b^', '')
const take: fc.Arbitrary<Take | null> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ key, cost: fc.constantFrom(0, 1, 2, 7) }) },
  { weight: 4, arbitrary: fc.record({ key, points: fc.constantFrom(5, 9) }) },
  {
    weight: 1,
    arbitrary: fc.record({ key, cost: fc.constantFrom(-1, 0.5, Number.NaN, 1e300, 2 ** 53, Number.POSITIVE_INFINITY) }),
  },
  { weight: 1, arbitrary: fc.constant(null) },
)
const turn = fc.array(
  fc.record({ takes: fc.array(take, { maxLength: 4 }), end: fc.constantFrom('', '', '', 'throw') }),
  { maxLength: 4 },
)

test('every take has the result that it has when the host decides all of them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { maxLength: 5 }), fc.nat(8), fc.nat(20), async (turns, losing, after) => {
      const seen: unknown[] = []
      for (const inside of [false, true]) {
        const opened = await harness(counting(inside), [
          { plugin: 'takes' },
          { plugin: 'late-loop', limits: { time: 40 } },
        ])
        const all: unknown[] = []
        for (const [i, calls] of turns.entries()) {
          // One after the other: takes that wait for the authority have no fixed order.
          for (const { takes, end } of calls) all.push(await opened.run(0, path(takes, end === '' ? undefined : end)))
          if (inside && i === losing) {
            const lost = opened.run(1, `/${after}`)
            all.push(await opened.run(0, path([{ key: 'k' }])))
            await lost
          } else if (i === losing) all.push(await opened.run(0, path([{ key: 'k' }])))
        }
        opened.sandbox.close()
        seen.push(all)
      }
      expect(seen[1]).toEqual(seen[0])
    }),
    { numRuns: 6, endOnFailure: true },
  )
})
