import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bundles, bundleAll, openCast } from './differential/cast.ts'
import { createLosing } from './differential/losing.ts'
import { countsOf, faultsOf, type Outcome, play, untilCancelled } from './differential/play.ts'
import { drawCast, flowScript, plugins } from './differential/script.ts'

/** Flows at the same time, at most; cases for each cast; casts, and the seed of the first one: for long runs. */
const { FLOWS = '10', CASES = '70', CASTS = '2', SEED = '1' } = process.env
const casts = Array.from({ length: Number(CASTS) }, (_, i) => Number(SEED) + i).flatMap((seed) => [
  { manner: 'fused' as const, seed },
  { manner: 'together' as const, seed },
])
const timeout = 7_200_000

let bundles: Bundles
beforeAll(async () => {
  bundles = await bundleAll()
})
afterAll(() => {
  for (const { inspector } of Object.values(bundles)) inspector.close()
})

/** As `toEqual`, which would take longer than the flow itself. */
function expectSame(found: Outcome, expected: Outcome): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) expect(found).toEqual(expected)
}

test.for(casts)(
  'a flow is the same whether its policies cross $manner or each alone: cast $seed',
  { timeout },
  async ({ manner, seed }) => {
    const drawn = drawCast(seed)
    const alone = openCast(bundles, drawn, 'alone')
    const together = openCast(bundles, drawn, manner)
    const scripts = fc.array(flowScript(drawn.lines.length), { minLength: 1, maxLength: Number(FLOWS) })
    let number = 0
    try {
      await fc.assert(
        fc.asyncProperty(scripts, async (flows) => {
          const name = `c${++number}`
          const [expected, found] = await Promise.all([play(alone, name, flows), play(together, name, flows)])
          for (let i = 0; i < flows.length; i++) {
            expectSame(found[i]!, expected[i]!)
          }
        }),
        { numRuns: Number(CASES) },
      )
      expect(countsOf(together)).toEqual(countsOf(alone))
      expect(faultsOf(together)).toEqual(faultsOf(alone))
    } finally {
      alone.sandbox.close()
      together.sandbox.close()
    }
  },
)

/** What happens beside the flows of a case. */
const incidents = fc.record({
  /** Crossings whose results are lost, with the isolate. */
  lost: fc.uniqueArray(fc.nat(12), { maxLength: 2 }),
  /** Plugins that become suspects, or are so no longer, after so many turns of the event loop. */
  suspects: fc.array(fc.record({ turns: fc.nat(12), plugin: fc.nat(plugins.length - 1), on: fc.boolean() }), {
    maxLength: 3,
  }),
  quarantined: fc.option(fc.nat(plugins.length - 1), { freq: 4 }),
  /** Turns of the event loop after which a flow is cancelled, which most are not. */
  patience: fc.array(
    fc.oneof({ weight: 3, arbitrary: fc.constant(Number.POSITIVE_INFINITY) }, fc.integer({ min: 1, max: 20 })),
    {
      maxLength: 6,
    },
  ),
})

test.for(casts)(
  'what happens beside a flow does not show in it, $manner: cast $seed',
  { timeout },
  async ({ manner, seed }) => {
    const drawn = drawCast(seed)
    const guard = createLosing()
    const alone = openCast(bundles, drawn, 'alone')
    const together = openCast(bundles, drawn, manner, { guard })
    const more = [
      ['spin', 1],
      ['spin', 3],
    ] as const
    const scripts = fc.array(flowScript(drawn.lines.length, more), { minLength: 1, maxLength: Number(FLOWS) })
    let number = 0
    try {
      await fc.assert(
        fc.asyncProperty(scripts, incidents, async (flows, { lost, suspects, quarantined, patience }) => {
          const name = `c${++number}`
          if (quarantined !== null)
            for (const { sandbox, hashes } of [alone, together]) sandbox.quarantine(hashes[quarantined]!, 'open')
          const expected = await play(alone, name, flows)
          guard.lose(lost)
          for (const { turns, plugin, on } of suspects) {
            void after(turns).then(() => together.sandbox.suspect([together.hashes[plugin]!], on))
          }
          const found = await play(together, name, flows, patience)
          if (quarantined !== null)
            for (const { sandbox, hashes } of [alone, together]) sandbox.quarantine(hashes[quarantined]!, 'closed')
          await after(13)
          together.sandbox.suspect(together.hashes, false)
          for (let i = 0; i < flows.length; i++) {
            const whole = expected[i]!
            const part = found[i]!
            if ((patience[i] ?? Number.POSITIVE_INFINITY) === Number.POSITIVE_INFINITY) expectSame(part, whole)
            else {
              const { found, expected } = untilCancelled(part, whole)
              expectSame(found, expected)
            }
          }
        }),
        { numRuns: Math.ceil(Number(CASES) / 4) },
      )
      // Crossings were lost, and isolates with them.
      expect(together.sandbox.stats()[0]!.restarts).toBeGreaterThan(0)
    } finally {
      alone.sandbox.close()
      together.sandbox.close()
    }
  },
)

const fault = fc.record({
  op: fc.constantFrom(['loop'] as const, ['loop'] as const, ['fill', 0] as const),
  flow: fc.nat(5),
  at: fc.nat(8),
  hook: fc.constantFrom('onRequest', 'onRequest', 'onResponse', 'selectBackend', 'onClose'),
})

test('a plugin that loops or fills the memory fails alone, whoever crosses with it', { timeout }, async () => {
  const drawn = drawCast(Number(SEED))
  const scripts = fc.array(flowScript(drawn.lines.length), { minLength: 1, maxLength: Number(FLOWS) })
  await fc.assert(
    fc.asyncProperty(scripts, fault, async (innocent, { op, flow, at, hook }) => {
      const flows = innocent.map((script, i) => {
        return i === flow % innocent.length ? { ...script, acts: [...script.acts, { at, hook, op }] } : script
      })
      // Pauses outlast a case.
      const limits = { time: op[0] === 'loop' ? 100 : 2_000 }
      const alone = openCast(bundles, drawn, 'alone', { limits })
      const together = openCast(bundles, drawn, 'fused', { limits })
      try {
        const expected = await play(alone, 'c', flows)
        const found = await play(together, 'c', flows)
        for (let i = 0; i < flows.length; i++) {
          expectSame(found[i]!, expected[i]!)
        }
        expect(faultsOf(together)).toEqual(faultsOf(alone))
      } finally {
        alone.sandbox.close()
        together.sandbox.close()
      }
    }),
    { numRuns: Math.ceil(Number(CASES) / 35) },
  )
})

async function after(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
}
