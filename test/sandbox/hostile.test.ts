import { afterEach, describe, expect, test } from 'vitest'
import type { GrantHost } from '../../core/grants/grant-host.ts'
import type { Run } from '../../core/sandbox/plugin.ts'
import { type Harness, headerOf, openHarness, runOf, seen, until } from './harness.ts'

let harness: Harness
afterEach(() => harness.sandbox.close())

describe.each(['/loop', '/microtasks', '/regex', '/getter', '/loop-after-grant'])(
  'a hook that never ends: %s',
  (path) => {
    test('gets PT, its 50 neighbours normal answers, and the next call works', async () => {
      harness = await openHarness([{ plugin: 'hostile' }])
      const before = Array.from({ length: 25 }, (_, i) => harness.run(0, `/before/${i}`))
      const endless = harness.run(0, path)
      const after = Array.from({ length: 25 }, (_, i) => harness.run(0, `/after/${i}`))

      expect(await endless).toMatchObject({ kind: 'failed', code: 'PT' })
      expect((await Promise.all(before)).map((verdict) => headerOf(verdict))).toEqual(
        before.map((_, i) => `/before/${i}`),
      )
      expect((await Promise.all(after)).map((verdict) => headerOf(verdict))).toEqual(after.map((_, i) => `/after/${i}`))
      expect(headerOf(await harness.run(0, '/next'))).toBe('/next')
      expect(harness.events).toContainEqual(
        expect.objectContaining({ type: 'timeout', plugin: 'hostile', policy: 'policy-0', hook: 'onRequest' }),
      )
      expect(harness.events.filter(({ type }) => type === 'timeout')).toHaveLength(1)
    })
  },
)

test('a plugin that fills its heap gets PM, its neighbours normal answers', async () => {
  harness = await openHarness([{ plugin: 'hostile', limits: { memory: 16, time: 2_000 } }])
  const calls = ['/a', '/heap', '/b'].map((path) => harness.run(0, path))
  const [a, heap, b] = await Promise.all(calls)
  expect(heap).toMatchObject({ kind: 'failed', code: 'PM' })
  expect([headerOf(a!), headerOf(b!)]).toEqual(['/a', '/b'])
  expect(headerOf(await harness.run(0, '/next'))).toBe('/next')
})

test('honest slow calls are not blamed for being many', async () => {
  harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'slow', fields: [] }])
  const verdicts = await Promise.all(Array.from({ length: 32 }, () => harness.run(1)))
  expect(verdicts.every(({ kind }) => kind === 'done')).toBe(true)
  // A busy machine may cost an isolate, but never a verdict.
  expect(harness.events.filter(({ type }) => type !== 'replaced')).toEqual([])
})

test('an unhandled rejection fails no call', async () => {
  harness = await openHarness([{ plugin: 'hostile' }])
  const verdicts = await Promise.all(['/a', '/rejection', '/b'].map((path) => harness.run(0, path)))
  expect(verdicts.map(({ kind }) => kind)).toEqual(['done', 'done', 'done'])
  expect(headerOf(verdicts[2]!)).toBe('/b')
  const { hash } = harness.instances[0]!.plugin
  const message = expect.stringMatching(/^Error: left alone\n.*test\/fixtures\/plugins\/hostile\.ts:\d+:\d+/) as string
  const by = { plugin: 'hostile', hash, policy: 'policy-0', hook: 'onRequest', alone: false }
  expect(harness.events).toEqual([{ type: 'rejection', ...by, message }])
  expect(harness.sandbox.stats()).toMatchObject([{ rejections: 1, errors: 0 }])
})

test('an unhandled rejection in a crossing of several plugins is told of the one whose code it was', async () => {
  harness = await openHarness([{ plugin: 'asks' }, { plugin: 'hostile' }])
  await Promise.all([harness.run(1, '/rejection'), harness.run(0, '/header'), harness.run(1, '/a')])
  const { hash } = harness.instances[1]!.plugin
  const told = harness.events.find(({ type }) => type === 'rejection')!
  expect(told).toMatchObject({ plugin: 'hostile', hash })
  expect(told.message).toMatch(/^Error: left alone\n.*test\/fixtures\/plugins\/hostile\.ts:\d+:\d+/)
})

test('a promise that never settles ends at the deadline', async () => {
  harness = await openHarness([{ plugin: 'hostile', limits: { wait: 50 } }])
  expect(await harness.run(0, '/never')).toMatchObject({ kind: 'failed', code: 'PT' })
  expect(headerOf(await harness.run(0, '/next'))).toBe('/next')
})

test.each([
  ['/many', 'RangeError: one call may ask for 1000 things at most'],
  ['/large', 'RangeError: one call may write 262144 characters at most'],
  ['/grants', 'GrantError: counter.take: one hook call may use 64 grant operations at most'],
  ['/deep', 'RangeError: Maximum call stack size exceeded'],
])('%s fails its own call only', async (path, message) => {
  harness = await openHarness([{ plugin: 'hostile', limits: { time: 200 } }])
  const verdicts = await Promise.all([harness.run(0, path), harness.run(0, '/b')])
  expect(verdicts[0]).toMatchObject({ kind: 'failed', code: 'PE', message: expect.stringContaining(message) })
  expect(headerOf(verdicts[1]!)).toBe('/b')
})

test('hooks that wait live through the loss of their isolate, and nothing is done twice', async () => {
  const performed: string[] = []
  const waiting: (() => void)[] = []
  const grants: GrantHost = {
    perform: ({ operation, args }) => {
      performed.push(`${operation} ${args[0]}`)
      const values = operation === 'counter.take' ? ['1', '2', '30'] : operation === 'digest.verify' ? ['1'] : ['mac']
      if (operation !== 'counter.take') return Promise.resolve(values)
      return new Promise((resolve) => waiting.push(() => resolve(values)))
    },
  }
  harness = await openHarness([{ plugin: 'budget', fields: ['path', 'client.ip'] }, { plugin: 'hostile' }], { grants })
  const suspended = ['a', 'b', 'c'].map((name) => harness.run(0, `/${name}`, name))
  await until(() => waiting.length === 3)

  expect(await harness.run(1, '/loop')).toMatchObject({ code: 'PT' })
  expect(headerOf(await harness.run(1, '/next'))).toBe('/next')
  for (const resolve of waiting) resolve()

  const verdicts = await Promise.all(suspended)
  expect(verdicts.map((verdict) => [headerOf(verdict, 'x-mac'), headerOf(verdict, 'x-left')])).toEqual([
    ['mac', '2'],
    ['mac', '2'],
    ['mac', '2'],
  ])
  const once = ['a', 'b', 'c'].map((name) => `counter.take ${name}`)
  expect(performed.filter((call) => call.startsWith('counter')).sort()).toEqual(once)
  expect(performed).toHaveLength(9)
})

test('what is cancelled never settles, and what it still does is dropped', async () => {
  const waiting: ((values: string[]) => void)[] = []
  const grants: GrantHost = { perform: () => new Promise((resolve) => waiting.push(resolve)) }
  harness = await openHarness([{ plugin: 'budget', fields: ['path', 'client.ip'] }, { plugin: 'hostile' }], { grants })
  let settled = 0
  const settle = (): void => {
    settled++
  }
  const queued = harness.start(0, settle, '/a', 'a')
  harness.sandbox.cancel(queued)
  const suspended = harness.start(0, settle, '/b', 'b')
  await until(() => waiting.length === 1)
  harness.sandbox.cancel(suspended)
  waiting[0]!(['mac'])
  await harness.run(1, '/x')
  await harness.run(1, '/y')
  expect(settled).toBe(0)
  expect(waiting).toHaveLength(1)
})

test('close lets calls end and takes no new ones', async () => {
  harness = await openHarness([{ plugin: 'budget', fields: ['path', 'client.ip'] }])
  const running = harness.run(0, '/a', 'a')
  harness.sandbox.close()
  expect((await running).kind).toBe('done')
  expect(await harness.run(0, '/b', 'b')).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('the sandbox is closed'),
  })
})

test('a thousand records for calls that have ended are one event', async () => {
  harness = await openHarness([{ plugin: 'late' }])
  harness.start(0, () => {}, '/hang')
  const bodies: unknown[] = []
  for (let i = 0; i < 3; i++) {
    const verdict = await harness.run(0, '/flood')
    bodies.push(verdict.kind === 'done' && verdict.operations[0]?.[2])
  }
  // The first one may share its crossing with the hook that waits.
  expect(bodies.slice(1)).toEqual(['true', 'true'])
  const late = harness.events.filter(({ type }) => type === 'late').map(({ message }) => message)
  expect(late.slice(-2)).toEqual(Array.from({ length: 2 }, () => '1000 records arrived for calls that have ended'))
  expect(late.length).toBeLessThanOrEqual(3)
})

test('a hook that its realm has lost fails alone, and no other call gets its record', async () => {
  harness = await openHarness([{ plugin: 'vanishing' }, { plugin: 'hostile' }])
  const calls = ['', '/1', '/2', '', '/3'].map((path) => harness.run(path === '' ? 0 : 1, path))
  const seen = (await Promise.all(calls)).map((verdict) => headerOf(verdict) ?? verdict.kind)
  expect(seen).toEqual(['failed', '/1', '/2', 'failed', '/3'])
})

test('large requests on many routes stay within the memory of a plugin that keeps nothing of them', async () => {
  harness = await openHarness([{ plugin: 'asks', limits: { memory: 32, time: 1_000 } }])
  const large = `/${'x'.repeat(1_000_000)}`
  const { text = '', steps } = runOf([0], [[large]])
  const kinds = new Set<string>()
  for (let i = 0; i < 100; i++) {
    // Every route brings runs of its own.
    const run: Run = {
      hook: 'onRequest',
      fields: 1,
      members: [{ instance: 0, fields: [0], written: [], writes: seen }],
    }
    const kind = await new Promise<string>((resolve) =>
      harness.sandbox.call({
        hook: 'onRequest',
        flow: 'f',
        steps,
        run,
        text,
        settle: (_step, verdict) => {
          resolve(verdict.kind)
          return false
        },
      }),
    )
    kinds.add(kind)
  }
  expect([...kinds]).toEqual(['done'])
  expect(harness.events).toEqual([])
})
