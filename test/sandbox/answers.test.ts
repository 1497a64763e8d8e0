import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { createGrantHost, type GrantHost } from '../../core/grants/grant-host.ts'
import type { GrantCall } from '../../core/grants/operation.ts'
import type { CrossingGuard } from '../../core/sandbox/crossing-guard.ts'
import type { HookCall, Run, Verdict } from '../../core/sandbox/plugin.ts'
import { callOf, type Harness, headerOf, openHarness, runOf, seen as writes } from './harness.ts'

const open: Harness[] = []
afterEach(() => {
  for (const { sandbox } of open.splice(0)) sandbox.close()
})

type Mode = 'immediate' | 'later' | 'promised'

interface Witnessed extends GrantHost {
  readonly performed: string[]
}

/** Grants as they are, with a list of what they did. */
function witness(mode: Mode): Witnessed {
  const grants = createGrantHost()
  const performed: string[] = []
  const perform = (call: GrantCall): ReturnType<GrantHost['perform']> => {
    performed.push([call.operation, ...call.args].join(' '))
    return mode === 'promised' ? Promise.resolve().then(() => grants.perform(call)) : grants.perform(call)
  }
  return { performed, perform, ...(mode !== 'later' && { immediate: grants.immediate! }) }
}

interface Ran {
  readonly verdict: Verdict
  readonly performed: readonly string[]
  readonly crossings: number
}

interface Counting extends CrossingGuard {
  crossings: readonly string[][]
}

function counting(): Counting {
  const guard: Counting = {
    crossings: [],
    progress: new SharedArrayBuffer(8),
    enter: (calls) => {
      guard.crossings = [...guard.crossings, calls.filter(({ hook }) => hook !== 'start').map(({ policy }) => policy)]
    },
    leave: () => {},
  }
  return guard
}

const crossed = ({ crossings }: Counting): string[] => crossings.filter(({ length }) => length > 0).map(String)

/** One call of `asks`; in the same crossing another plugin takes the isolate with it. */
async function run(mode: Mode, path: string, loss: string): Promise<Ran> {
  const grants = witness(mode)
  const guard = counting()
  const harness = await openHarness([{ plugin: 'asks' }, { plugin: 'late-loop' }], { grants, guard })
  open.push(harness)
  const verdicts = await Promise.all([harness.run(0, path), harness.run(1, loss)])
  return { verdict: verdicts[0]!, performed: grants.performed, crossings: crossed(guard).length }
}

const action = fc.constantFrom('counter', 'digest', 'kv', 'both', 'wrong', 'null', 'log', 'header', 'dropped')
const last = fc.constantFrom('header', 'reply', 'throw', 'many')

test('answers that are immediate, late or promised give the same result, isolate lost or not, and nothing is done twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 5 }), last, fc.nat(12), async (actions, end, turns) => {
      const path = `/${[...actions, end].join()}`
      const wanted = await run('later', path, '/')
      for (const mode of ['immediate', 'promised', 'later'] as const) {
        for (const loss of mode === 'later' ? [`/${turns}`] : ['/', `/${turns}`]) {
          const { verdict, performed } = await run(mode, path, loss)
          expect([verdict, ...apart(performed)]).toEqual([wanted.verdict, ...apart(wanted.performed)])
        }
      }
    }),
    { numRuns: 5 },
  )
})

/** Notes are taken when a crossing is over: they keep their order, but not among what was answered in it. */
function apart(performed: readonly string[]): [readonly string[], readonly string[]] {
  const isNote = (operation: string): boolean => operation.startsWith('log.')
  return [performed.filter(isNote), performed.filter((operation) => !isNote(operation))]
}

describe('in the crossing that asks', () => {
  test.each([
    ['/kv,digest,header', 1],
    ['/kv,null,null,digest,reply', 1],
    ['/null,null,header', 1],
    ['/both,throw', 1],
    // The first take of a key is the authority's to answer.
    ['/counter,counter,counter,header', 2],
  ])('%s takes %i', async (path, most) => {
    // On a busy machine the slice may be over before the other call has crossed.
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < 20 && least > most; i++) least = Math.min(least, (await run('immediate', path, '/')).crossings)
    expect(least).toBe(most)
  })

  test('the steps behind one that was answered have their turns, each once', async () => {
    const guard = counting()
    const harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'asks' }, { plugin: 'hostile' }], {
      guard,
      grants: witness('immediate'),
    })
    open.push(harness)
    for (let i = 1; i <= 20; i++) {
      guard.crossings = []
      const settled = await runAll(harness, ['/a', '/kv,digest,header', '/c'])
      const seen = settled.map((verdict) => headerOf(verdict))
      expect(seen).toEqual(['/a', expect.stringContaining(`[${i},"`), '/c'])
      // On a busy machine the slice may be over before the last step.
      if (crossed(guard).length === 1) break
    }
    expect(crossed(guard)).toEqual(['policy-0,policy-1,policy-2'])
  })

  test('a reply ends the run', async () => {
    const harness = await openHarness([{ plugin: 'asks' }, { plugin: 'asks' }], { grants: witness('immediate') })
    open.push(harness)
    const settled = await runAll(harness, ['/kv,reply', '/kv,header'])
    expect(settled.map((verdict) => verdict.kind === 'done' && verdict.operations[0]![1])).toEqual(['403'])
  })
})

test('what a later step has asked for is not done again when the crossing is lost', async () => {
  const grants = witness('immediate')
  const harness = await openHarness(
    [{ plugin: 'hostile' }, { plugin: 'asks' }, { plugin: 'late-loop', limits: { time: 5 } }],
    { grants },
  )
  open.push(harness)
  const [settled, lost] = await Promise.all([runAll(harness, ['/a', '/kv,header']), harness.run(2, '/2')])
  expect(lost).toMatchObject({ kind: 'failed', code: 'PT' })
  expect(settled.map((verdict) => headerOf(verdict))).toEqual(['/a', '[1]'])
  expect(grants.performed).toEqual(['kv.increment n 1 60'])
})

test('the host counts what is asked in one crossing', async () => {
  const harness = await openHarness([{ plugin: 'asks', limits: { operations: 3 } }], { grants: witness('immediate') })
  open.push(harness)
  expect(await harness.run(0, '/kv,kv,kv,header')).toMatchObject({ kind: 'done' })
  expect(await harness.run(0, '/kv,kv,kv,kv,header')).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('3 grant operations'),
  })
})

test('a grant that throws is an error to catch', async () => {
  const grants: GrantHost = {
    immediate: new Set(['kv.increment']),
    perform: () => {
      throw new Error('no')
    },
  }
  const harness = await openHarness([{ plugin: 'asks' }], { grants })
  open.push(harness)
  expect(headerOf(await harness.run(0, '/wrong,header'))).toBe('["GrantError: kv.increment: no"]')
})

test('a call that is cancelled while its hook waits is over', async () => {
  const harness = await openHarness([{ plugin: 'asks' }], { grants: witness('promised') })
  open.push(harness)
  let verdicts = 0
  const call = callOf(0, ['/kv,header'], () => verdicts++)
  harness.sandbox.call(call)
  await new Promise(setImmediate)
  harness.sandbox.cancel(call)
  expect(await harness.run(0, '/null,header')).toMatchObject({ kind: 'done' })
  expect(verdicts).toBe(0)
})

test('steps behind one whose writes are refused do nothing of what they ask for', async () => {
  const grants = witness('immediate')
  const harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'asks' }], { grants })
  open.push(harness)
  const { sandbox } = harness
  const { text, steps } = runOf([0, 1], [['/a'], ['/kv,header']])
  const nothing = { consumer: false, headers: [], responseHeaders: [] }
  const run: Run = {
    hook: 'onRequest',
    fields: 2,
    members: [
      { instance: 0, fields: [0], written: [{ field: 1, header: 'x-b' }], writes: nothing },
      { instance: 1, fields: [1], written: [], writes },
    ],
  }
  const seen: number[] = []
  // Until the slice is long enough for both.
  for (let i = 0; i < 3; i++) await runAll(harness, ['/a', '/null,header'])
  for (let i = 0; i < 4; i++) {
    await new Promise<void>((resolve) => {
      const call: HookCall = {
        hook: 'onRequest',
        flow: 'f',
        steps,
        run,
        ...(text !== undefined && { text }),
        settle: () => {
          sandbox.refused(call, 'no')
          resolve()
          return false
        },
      }
      sandbox.call(call)
    })
    // As a chain does with `onFailure: continue`.
    seen.push(JSON.parse(headerOf(await harness.run(1, '/kv,header'))!)[0])
  }
  expect(seen).toEqual([1, 2, 3, 4])
})

/** One call, a step for each path: what was settled, as the chain does it. */
function runAll({ sandbox }: Harness, paths: readonly string[]): Promise<Verdict[]> {
  const settled: Verdict[] = []
  return new Promise((resolve) =>
    sandbox.call({
      hook: 'onRequest',
      flow: 'f',
      ...runOf(
        paths.map((_, instance) => instance),
        paths.map((path) => [path]),
      ),
      settle: (step, verdict) => {
        settled.push(verdict)
        const goesOn = verdict.kind === 'done' && verdict.operations.every(([code]) => code !== 'Y')
        if (!goesOn || step === paths.length - 1) resolve(settled)
        return goesOn
      },
    }),
  )
}
