import { afterEach, describe, expect, test } from 'vitest'
import { createGrantHost } from '../../core/grants/grant-host.ts'
import { bounds } from '../../core/sandbox/bounds.ts'
import type { SandboxEvent } from '../../core/sandbox/event.ts'
import { openIsolateExecutor } from '../../core/sandbox/isolate-executor.ts'
import type { Sandbox, Verdict } from '../../core/sandbox/plugin.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import { callOf, type Harness, instanceOf, openHarness } from './harness.ts'

let open: { sandbox: Sandbox } | undefined
afterEach(() => open?.sandbox.close())

async function realm(limits = {}): Promise<Harness> {
  const harness = await openHarness([{ plugin: 'realm', limits: { time: 2_000, ...limits } }])
  open = harness
  return harness
}

/** What the plugin replies with, or why it failed. */
function textOf(verdict: Verdict): string {
  return verdict.kind === 'failed' ? verdict.message : (verdict.operations[0]?.[2] ?? '')
}

describe('a plugin makes no code from text', () => {
  test.for(['function', 'async', 'eval'])('%s is refused, at a line of the plugin', async (name) => {
    const { run } = await realm()
    const text = textOf(await run(0, `/${name}`))
    expect(text).toContain('EvalError: a plugin cannot make code from text')
    expect(text).toMatch(/test\/fixtures\/plugins\/realm\.ts:\d+:\d+/)
  })

  test.for([
    ['instance', 'true'],
    ['global', 'true'],
  ])('%s goes on working', async ([name, expected]) => {
    const { run } = await realm()
    expect(textOf(await run(0, `/${name}`))).toBe(expected)
  })
})

describe('memory that no limit counts', () => {
  test.for([
    ['resizable', /an ArrayBuffer of a plugin cannot be resizable/],
    ['reflect', /an ArrayBuffer of a plugin cannot be resizable/],
    ['segmenter', /Intl\.Segmenter is not a constructor: a plugin has none/],
    ['breakIterator', /^false$/],
    ['stolen', /^0 of 3$/],
    ['resize', /^false$/],
    ['subclass', /^3$/],
    ['buffer', /^true$/],
    ['constructor', /^true$/],
    ['date', /^1\.1\.1970$/],
    ['format', /^1\.1\.1970$/],
    ['called', /^true$/],
    ['number', /^1\.234,5$/],
    ['compare', /^-1$/],
  ] as const)('%s', async ([name, expected]) => {
    const { run } = await realm()
    expect(textOf(await run(0, `/${name}`))).toMatch(expected)
  })

  test('formats that a plugin keeps fill the memory of its isolate', async () => {
    const { run } = await realm()
    const before = process.memoryUsage.rss()
    expect(await run(0, '/hoard')).toMatchObject({ kind: 'failed' })
    for (let i = 0; i < 5; i++) await run(0, '/hoard')
    // 6,000 formats would be 200 MB at least.
    expect((process.memoryUsage.rss() - before) / 2 ** 20).toBeLessThan(190)
  })
})

test('a rejection that imitates the time limit costs no isolate', async () => {
  const { run, events } = await realm()
  for (let i = 0; i < 5; i++) expect(await run(0, '/imitate')).toMatchObject({ kind: 'done' })
  expect(events.map(({ type }) => type)).not.toContain('replaced')
})

describe('the start of a module', () => {
  test('takes a few times as long as in the check at most; more is a fault of time', async () => {
    const { plugin } = await instanceOf('p', { plugin: 'realm' })
    const endless = { ...plugin, script: '__postern.start(() => { for (;;); })', startTime: 2 }
    const plugins = [{ code: endless, setup: '{}' }]
    const start = (): unknown => openIsolateExecutor({ plugins, memory: 64, emit: () => {} })
    expect(start).toThrow(expect.objectContaining({ kind: 'time', plugin: 0 }))
    expect(start).toThrow(/starting the module took more than \d+ ms/)
  })

  test('may not fill the memory that calls need', async () => {
    const { plugin } = await instanceOf('p', { plugin: 'realm' })
    const script = '__postern.start(() => { globalThis.kept = new Uint8Array(58 << 20); return {} })'
    const plugins = [{ code: { ...plugin, script }, setup: '{"needs":[],"policies":[],"entries":[]}' }]
    const start = (): unknown => openIsolateExecutor({ plugins, memory: 64, emit: () => {} })
    expect(start).toThrow(/of 64 MB are in use: raise limits\.memory/)
  })

  test.for([
    [45, 6],
    [6, 45],
  ])('modules of %i and %i MB: the larger one is at fault, whichever starts last', async (sizes) => {
    const { plugin } = await instanceOf('p', { plugin: 'realm' })
    const plugins = sizes.map((size) => {
      const script = `__postern.start(() => { globalThis.kept = new Uint8Array(${size} << 20); return {} })`
      return { code: { ...plugin, script }, setup: '{"needs":[],"policies":[],"entries":[]}' }
    })
    const start = (): unknown => openIsolateExecutor({ plugins, memory: 64, emit: () => {} })
    expect(start).toThrow(expect.objectContaining({ kind: 'memory', plugin: sizes.indexOf(45) }))
  })
})

describe('what other runtimes have', () => {
  test.for([
    ['fetch', "add 'fetch' to needs"],
    ['timer', 'setTimeout is not defined: a plugin has no timers'],
    ['url', 'URL is not defined: use path, query'],
    ['process', 'process is not defined: a plugin has no environment'],
  ] as const)('%s: the error says what to use', async ([name, expected]) => {
    const { run } = await realm()
    expect(textOf(await run(0, `/${name}`))).toContain(expected)
  })

  test('no advice for an object of the plugin’s own', async () => {
    const { run } = await realm()
    expect(textOf(await run(0, '/ownName'))).not.toContain('needs')
  })
})

describe('console', () => {
  async function linesOf(isDevelopment: boolean): Promise<string[]> {
    const instances = [await instanceOf('p', { plugin: 'realm', limits: { time: 2_000 } })]
    const events: SandboxEvent[] = []
    const sandbox = createSandbox({
      instances,
      grants: createGrantHost(),
      onEvent: (event) => events.push(event),
      isDevelopment: () => isDevelopment,
    })
    open = { sandbox }
    for (let i = 0; i < 2; i++) await new Promise((settle) => sandbox.call(callOf(0, ['/console'], settle)))
    return events.filter(({ type }) => type === 'console').map(({ plugin, message }) => `${plugin}: ${message}`)
  }

  test('goes to the log in development', async () => {
    const lines = ['realm: here 1 {"a":1}', 'realm: there']
    expect(await linesOf(true)).toEqual([...lines, ...lines])
  })

  test('is passed on when the stack is no longer as deep as the plugin has made it', async () => {
    const instances = [await instanceOf('p', { plugin: 'realm', limits: { time: 2_000 } })]
    const frames = (count: number): number => (count === 0 ? 0 : 1 + frames(count - 1))
    const depths: (number | string)[] = []
    const onEvent = ({ type }: SandboxEvent): void => {
      if (type !== 'console') return
      try {
        depths.push(frames(1_000))
      } catch (error) {
        depths.push(String(error))
      }
    }
    const sandbox = createSandbox({ instances, grants: createGrantHost(), onEvent, isDevelopment: () => true })
    open = { sandbox }
    const verdict = await new Promise<Verdict>((settle) => sandbox.call(callOf(0, ['/deep'], settle)))
    expect(verdict.kind).toBe('done')
    expect(depths.length).toBeGreaterThanOrEqual(bounds.consoleLines)
    expect([...new Set(depths)]).toEqual([1_000])
  })

  test('of one group leaves that of another its lines', async () => {
    const groups = ['local', 'other']
    const instances = await Promise.all(
      groups.map((group) => instanceOf(group, { plugin: 'realm', group, limits: { time: 2_000 } })),
    )
    const lines: string[] = []
    const onEvent = ({ type, message }: SandboxEvent): void => void (type === 'console' && lines.push(message))
    const sandbox = createSandbox({ instances, grants: createGrantHost(), onEvent, isDevelopment: () => true })
    open = { sandbox }
    for (const [i, path] of ['/deep', '/console'].entries()) {
      await new Promise<Verdict>((settle) => sandbox.call(callOf(i, [path], settle)))
    }
    expect(lines.filter((line) => line === 'deep').length).toBeGreaterThanOrEqual(bounds.consoleLines)
    expect(lines).toContain('there')
  })

  test('is dropped otherwise, which is said once', async () => {
    expect(await linesOf(false)).toEqual([expect.stringContaining("add 'log' to needs")])
  })
})
