import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LeaseModel, type ModelOptions, type ModelTake } from './lease-model.ts'

type Step =
  | { readonly do: 'take'; readonly worker: number; readonly costs: readonly number[] }
  | { readonly do: 'up' | 'down' | 'kill'; readonly worker: number }
  | { readonly do: 'notice' | 'calm' }
  | { readonly do: 'wait'; readonly ms: number }

const workers = 2
const sides: readonly (readonly [string, boolean])[] = [
  ['by workers', false],
  ['in the crossings of their isolates', true],
]
const worker = fc.nat({ max: workers - 1 })

const takes = (cost: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
  fc.record({ do: fc.constant('take'), worker, costs: fc.array(cost, { minLength: 1, maxLength: 20, size: 'max' }) })
const delivery: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('up', 'down'), worker }) },
  // Leases become large when answers come soon.
  { weight: 4, arbitrary: fc.record({ do: fc.constant('calm') }) },
)
const death: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('kill'), worker }),
  fc.record({ do: fc.constant('notice') }),
)
const wait = (max: number): fc.Arbitrary<Step> =>
  fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 1, max }) })

const times = (count: number): number[] => Array.from({ length: count }, () => 1)

/** Takes all that can still be had. */
async function exhaust(model: LeaseModel, points: number, takers: readonly number[]): Promise<void> {
  for (const taker of takers) await model.take(taker, times(points + 1))
  await model.quiet()
}

async function play(options: ModelOptions, steps: readonly Step[]): Promise<LeaseModel> {
  const model = new LeaseModel(options)
  for (const step of steps) {
    if (step.do === 'take') await model.take(step.worker, step.costs)
    else if (step.do === 'wait') await model.advance(step.ms)
    else if (step.do === 'notice') await model.notice()
    else if (step.do === 'calm') await model.deliverAll()
    else if (step.do === 'up') await model.deliverUp(step.worker)
    else if (step.do === 'down') await model.deliverDown(step.worker)
    else if ('worker' in step) model.kill(step.worker)
  }
  return model
}

/**
 * Whether takes of one point each can be spread over the windows so that none holds more than its limit, each in a window
 * that was open at some moment between question and answer. The one whose chances end first goes first.
 */
function fits(model: LeaseModel, points: number, ms: number): boolean {
  const open = [...model.windows.values()].sort((a, b) => a - b).map((end) => ({ start: end - ms, end, room: points }))
  const allowed = model.takes.filter((take): take is Required<ModelTake> => take.result?.allowed === true)
  return allowed
    .sort((a, b) => a.answered - b.answered)
    .every(({ asked, answered }) => {
      const window = open.find(({ start, end, room }) => room > 0 && start <= answered && asked < end)
      if (window !== undefined) window.room--
      return window !== undefined
    })
}

describe.each(sides)('what all workers allow together, decided %s', (_side, inside) => {
  test('never passes the limit, whatever dies, is late or is lost', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: takes(fc.nat({ max: 5 })) },
      { weight: 10, arbitrary: delivery },
      { weight: 1, arbitrary: death },
      { weight: 2, arbitrary: wait(400) },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 200 }),
        fc.array(step, { maxLength: 120, size: 'max' }),
        async (points, steps) => {
          const model = await play({ inside, workers, points, duration: 3_600 }, steps)
          await exhaust(model, points, [0, 1])
          expect(model.allowed).toBeLessThanOrEqual(points)
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('never passes it in any window, and no point of one counts in the next', async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: takes(fc.constant(1)) },
      { weight: 10, arbitrary: delivery },
      { weight: 1, arbitrary: death },
      { weight: 4, arbitrary: wait(500) },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 300 }),
        fc.array(step, { maxLength: 120, size: 'max' }),
        async (points, steps) => {
          const model = await play({ inside, workers, points, duration: 1 }, steps)
          await exhaust(model, points, [0, 1])
          expect(fits(model, points, 1_000)).toBe(true)
        },
      ),
      { numRuns: 4000 },
    )
  })

  test.each([
    ['nothing is refused while somebody holds enough points', 3_600_000],
    ['what came back too late for one can be had by the next', 50],
  ])('reaches it: %s', async (_law, timeout) => {
    const step = fc.oneof(
      { weight: 4, arbitrary: takes(fc.oneof(fc.nat({ max: 4 }), fc.nat({ max: 100 }))) },
      { weight: 10, arbitrary: delivery },
      { weight: 2, arbitrary: wait(2_000) },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 500 }),
        fc.array(step, { maxLength: 120, size: 'max' }),
        async (points, steps) => {
          const model = await play({ inside, workers, points, duration: 3_600, timeout }, steps)
          await model.quiet()
          const unused = points - model.allowed
          for (const { cost, result } of model.takes) {
            expect(result).toBeDefined()
            if (!result!.allowed && timeout > 3_600) expect(unused).toBeLessThan(cost)
          }
          await exhaust(model, unused, [0])
          expect(model.allowed).toBe(points)
        },
      ),
      { numRuns: 4000 },
    )
  })
})

/** Takes one after the other, each waiting for its answer. */
async function takeOneByOne(model: LeaseModel, worker: (i: number) => number, count: number): Promise<ModelTake[]> {
  const from = model.takes.length
  for (let i = 0; i < count; i++) {
    await model.take(worker(i), [1])
    await model.quiet()
  }
  return model.takes.slice(from)
}

describe.each(sides)('a lease, used %s', (_side, inside) => {
  test('spares most messages of a hot key, and says exactly what is left to the only one who asks', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 1_000, duration: 60 })
    const taken = await takeOneByOne(model, () => 0, 1_002)
    expect(taken.map(({ result }) => result!.remaining)).toEqual(
      Array.from({ length: 1_002 }, (_, i) => Math.max(0, 999 - i)),
    )
    expect(taken.filter(({ result }) => result!.allowed)).toHaveLength(1_000)
    expect(model.messages).toBeLessThan(150)
    if (inside) expect(model.decided).toBeGreaterThan(800)
  })

  test('is not for keys that are seldom asked for', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 1_000, duration: 3_600 })
    for (let i = 0; i < 10; i++) {
      await takeOneByOne(model, () => 0, 1)
      await model.advance(5_000)
    }
    expect(model.messages).toBe(20)
    // A death takes no points with it then.
    model.kill(0)
    await model.notice()
    const [next] = await takeOneByOne(model, () => 1, 1)
    expect(next!.result!.remaining).toBe(989)
  })

  test('says what is left less what others may hold, an eighth each at most', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 1_000, duration: 60 })
    const taken = await takeOneByOne(model, (i) => i % 2, 900)
    for (const [i, { result }] of taken.entries()) {
      const real = 999 - i
      expect(result!.remaining).toBeLessThanOrEqual(real + 160)
      expect(result!.remaining).toBeGreaterThanOrEqual(real - 160)
    }
  })

  test('that nobody uses comes back before it matters', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 1_000, duration: 60 })
    await takeOneByOne(model, () => 0, 300)
    const taken = await takeOneByOne(model, () => 1, 700)
    for (const [i, { result }] of taken.entries()) {
      const real = 699 - i
      expect(result!.allowed).toBe(true)
      expect(result!.remaining).toBeLessThanOrEqual(real)
      expect(result!.remaining).toBeGreaterThanOrEqual(Math.floor(real / 2))
    }
  })

  test('of a worker that died counts as used until the window ends', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 100, duration: 60 })
    await takeOneByOne(model, () => 0, 20)
    model.kill(0)
    await model.notice()
    const after = await takeOneByOne(model, () => 1, 100)
    const allowed = after.filter(({ result }) => result!.allowed).length
    expect(allowed).toBeLessThan(80)
    expect(allowed).toBeGreaterThan(60)
    await model.advance(60_000)
    const next = await takeOneByOne(model, (i) => i, 101)
    expect(next.filter(({ result }) => result!.allowed)).toHaveLength(100)
  })

  test('is called back from one that no longer asks', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 100, duration: 60 })
    await takeOneByOne(model, () => 0, 20)
    const rest = await takeOneByOne(model, () => 1, 81)
    expect(rest.map(({ result }) => result!.allowed)).toEqual([...Array.from({ length: 80 }, () => true), false])
  })

  test('that was to be renewed in vain is called back all the same', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 60, duration: 60 })
    await takeOneByOne(model, () => 0, 12)
    const [first] = await takeOneByOne(model, () => 1, 1)
    const { remaining } = first!.result!
    const held = 60 - 13 - remaining
    expect(held).toBeGreaterThan(1)
    expect(held).toBeLessThan(7)
    // So little is free then that nothing is leased, but more than the first one holds: nobody has called that back.
    await takeOneByOne(model, () => 1, remaining - 6)
    await model.advance(2_000)
    await takeOneByOne(model, () => 0, 1)
    const rest = await takeOneByOne(model, () => 1, 6 + held)
    expect(rest.map(({ result }) => result!.allowed)).toEqual([...times(5 + held).map(() => true), false])
  })

  test('that does not come back is not waited for longer than timeout allows', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 100, duration: 60, timeout: 200 })
    await takeOneByOne(model, () => 0, 20)
    await model.take(1, times(81))
    await model.deliverUp(1)
    await model.advance(200)
    await model.deliverDown(1)
    const refused = model.takes.slice(20).filter(({ result }) => result?.allowed === false).length
    expect(refused).toBeGreaterThan(1)
    expect(refused).toBeLessThan(20)
    // What came back in the end can be had after all.
    await model.quiet()
    const [late] = await takeOneByOne(model, () => 1, 1)
    expect(late!.result!.allowed).toBe(true)
  })

  test('that was renewed while it was called back is called back once more', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 493, duration: 3_600, timeout: 3_600_000 })
    await model.take(1, [2, 1, 91, 88, 4, 1])
    await model.deliverAll()
    await model.take(0, [52, 68, 42])
    await model.deliverAll()
    // The authority calls back what worker 1 has, which uses all of it and asks for more before it hears that.
    await model.take(0, [89])
    await model.take(0, [4, 0])
    await model.take(0, [3, 1, 4, 3, 1])
    await model.take(1, [4, 2, 1, 3, 2, 20, 1, 4, 2])
    await model.quiet()
    expect(model.takes.every(({ result }) => result!.allowed)).toBe(true)
    expect(model.allowed).toBe(493)
  })

  test('once all is used up costs no message until the window ends', async () => {
    const model = new LeaseModel({ inside, workers: 2, points: 3, duration: 60 })
    await takeOneByOne(model, () => 0, 4)
    const before = model.messages
    const refused = await takeOneByOne(model, () => 0, 1_000)
    expect(refused.every(({ result }) => !result!.allowed && result!.remaining === 0)).toBe(true)
    expect(model.messages).toBe(before)
  })
})

test.each(sides)('a worker gives back what it forgets: decided %s', async (_side, inside) => {
  const model = new LeaseModel({ inside, workers: 2, points: 100, duration: 60, keys: 3 })
  await takeOneByOne(model, () => 0, 20)
  // The fourth key is one too many for it, not for the authority.
  for (const key of ['a', 'b', 'c']) {
    await model.take(0, [1], key)
    await model.quiet()
  }
  const from = model.takes.length
  await model.take(1, times(101))
  await model.quiet()
  expect(model.takes.slice(from).filter(({ result }) => result!.allowed)).toHaveLength(80)
})
