import { afterEach, describe, expect, test } from 'vitest'
import { Pause } from '../../core/sandbox/breaker.ts'
import type { SandboxEvent } from '../../core/sandbox/event.ts'
import type { Crossing, Executor, OpenExecutor, Step } from '../../core/sandbox/executor.ts'
import { Group } from '../../core/sandbox/group.ts'
import { layOut } from '../../core/sandbox/layout.ts'
import type { Verdict } from '../../core/sandbox/plugin.ts'
import { StartError } from '../../core/sandbox/plugin-build-error.ts'
import { callOf, type Harness, headerOf, instanceOf, openHarness, runOf, until } from './harness.ts'

let harness: Harness | undefined
afterEach(() => harness?.sandbox.close())

test('of 32 slow calls and one that never ends only the latter fails', async () => {
  harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'slow', fields: [] }])
  const { run } = harness
  const slow = Array.from({ length: 16 }, () => run(1))
  const endless = run(0, '/loop')
  slow.push(...Array.from({ length: 16 }, () => run(1)))
  expect(await endless).toMatchObject({ kind: 'failed', code: 'PT' })
  expect((await Promise.all(slow)).map(({ kind }) => kind)).toEqual(Array(32).fill('done'))
  const blamed = harness.events.filter(({ type }) => type !== 'replaced')
  const replaced = harness.events.filter(({ type }) => type === 'replaced').map(({ message }) => message)
  expect(replaced[0]).toMatch(
    /^isolate of "local": a crossing timed out, with polic.*policy-0.*; its (call runs|\d+ calls run) again(, each on its own)?$/,
  )
  expect(blamed).toMatchObject([{ type: 'timeout', plugin: 'hostile', alone: true }])
})

describe('a pause', () => {
  test('three losses are free, then each pauses twice as long as the one before, a minute at most', () => {
    let now = 0
    const pause = new Pause(() => now)
    const pauses: number[] = []
    for (let i = 0; i < 12; i++) {
      pauses.push(pause.lost('PT', i))
      now += pauses.at(-1)!
    }
    expect(pauses).toEqual([0, 0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
    expect(pause.failure(100)).toBeUndefined()
    now += 10_000
    expect(pause.lost('PT', 200)).toBe(0)
  })

  test('while it lasts new calls fail with the last code, and what was under way goes on', () => {
    let now = 0
    const pause = new Pause(() => now)
    for (let i = 0; i < 3; i++) pause.lost('PT', 7)
    expect(pause.failure(8)).toBeUndefined()
    pause.lost('PM', 7)
    expect([pause.failure(7), pause.failure(8)]).toEqual([undefined, 'PM'])
    now = 1_000
    expect(pause.failure(8)).toBeUndefined()
  })

  test('the rest of its group goes on without a plugin that is paused', async () => {
    harness = await openHarness([{ plugin: 'hostile', limits: { time: 5 } }, { plugin: 'wrong' }])
    for (let i = 0; i < 4; i++) expect(await harness.run(0, '/loop')).toMatchObject({ code: 'PT' })
    const isolates = harness.sandbox.stats()[0]!.restarts
    expect(await harness.run(0, '/loop')).toMatchObject({
      code: 'PT',
      message: expect.stringContaining('the plugin is paused: it lost more than 3 isolates in a row'),
    })
    expect(await harness.run(1, '/nothing')).toMatchObject({ kind: 'done' })
    const [stats] = harness.sandbox.stats()
    expect(stats).toMatchObject({ restarts: isolates, denied: 1, timeouts: 4 })
    expect(harness.events.at(-1)!.message).toContain('plugin "hostile" is paused for 1 s')
  })
})

/** A group whose executors are made by hand. */
async function handMade(
  open: OpenExecutor,
  memory = 64,
  time = 100,
): Promise<{ group: Group; events: SandboxEvent[] }> {
  const { bindings } = layOut([
    await instanceOf('p', { plugin: 'hostile', limits: { time } }),
    await instanceOf('q', { plugin: 'slow' }),
  ])
  const events: SandboxEvent[] = []
  const grants = { perform: async () => [], metrics: () => [] }
  const onEvent = (event: SandboxEvent): unknown => events.push(event)
  return { group: new Group({ name: 'local', bindings, open, time: 20, memory, grants, onEvent }), events }
}

function run(group: Group, instance = 0): Promise<Verdict> {
  return new Promise((settle) => group.call(callOf(instance, ['/x'], settle)))
}

class FakeExecutor implements Executor {
  disposed = false
  size = 0
  fate: Crossing = { kind: 'done', output: '' }
  readonly timeouts: number[] = []
  cross(_steps: readonly Step[], timeout: number): Crossing {
    this.timeouts.push(timeout)
    return this.fate
  }
  heap(): number {
    return this.size
  }
  held(): number {
    return this.size
  }
  isCrowded(): boolean {
    return false
  }
  dispose(): void {
    this.disposed = true
  }
}

describe('the pair of executors', () => {
  test('a spare is built after the turn, replaces a lost executor, and is built again', async () => {
    const executors: FakeExecutor[] = []
    const { group } = await handMade(() => {
      const executor = new FakeExecutor()
      executors.push(executor)
      return executor
    })
    expect(executors).toHaveLength(1)
    await until(() => executors.length === 2)
    executors[0]!.fate = { kind: 'memory', message: '' }
    expect(await run(group)).toMatchObject({ kind: 'done' })
    expect(executors.map(({ disposed }) => disposed).slice(0, 2)).toEqual([true, false])
    await until(() => executors.length === 3)
    expect(await run(group)).toMatchObject({ kind: 'done' })
    group.close()
    expect(executors.map(({ disposed }) => disposed)).toEqual([true, true, true])
  })

  test('the CPU time of opening an executor without a spare is not that of the hook that runs next', async () => {
    const executors: FakeExecutor[] = []
    const { group } = await handMade(
      () => {
        const executor = new FakeExecutor()
        // The clock ends the first ones, and no code has used any CPU time.
        if (executors.push(executor) <= 4) executor.fate = { kind: 'time', message: '' }
        // More than the limit of a hook.
        const before = process.threadCpuUsage()
        for (let used = 0; used < 30_000; ) {
          const { user, system } = process.threadCpuUsage(before)
          used = user + system
        }
        return executor
      },
      64,
      20,
    )
    await until(() => executors.length === 2)
    expect(await run(group)).toMatchObject({ kind: 'done' })
    group.close()
  })

  test('shared crossings get up to 100 ms more than their limit, lone ones and those after a loss none', async () => {
    const executors: FakeExecutor[] = []
    const { group } = await handMade(() => {
      const executor = new FakeExecutor()
      executors.push(executor)
      return executor
    })
    await until(() => executors.length === 2)
    for (let i = 0; i < 10; i++) await run(group)
    const [, ...shared] = executors[0]!.timeouts
    expect(shared.every((timeout) => timeout > 25 && timeout <= 125)).toBe(true)
    executors[0]!.fate = { kind: 'memory', message: '' }
    await run(group)
    await run(group)
    // The `time` of the policy and a quarter more, and that of its group with the slice.
    expect(executors[1]!.timeouts).toEqual([125, 25])
    group.close()
  })

  test('a plugin that does not start again costs only its own calls', async () => {
    let broken = false
    const executors: { executor: FakeExecutor; without: ReadonlySet<number> }[] = []
    const { group, events } = await handMade((_emit, without) => {
      if (broken && !without.has(0))
        throw new StartError(0, 'thrown', { place: undefined, message: 'plugin "hostile": starting the module failed' })
      const executor = new FakeExecutor()
      executors.push({ executor, without: new Set(without) })
      return executor
    })
    await until(() => executors.length === 2)
    broken = true
    for (const { executor } of executors) executor.fate = { kind: 'thrown', message: 'lost' }
    expect(await run(group, 1)).toMatchObject({ kind: 'failed' })
    expect(await run(group, 1)).toMatchObject({ kind: 'done' })
    expect(await run(group, 0)).toMatchObject({
      kind: 'failed',
      message: expect.stringContaining('did not start in the new isolate'),
    })
    broken = false
    await until(() => executors.at(-1)!.without.size === 0)
    expect(await run(group, 0)).toMatchObject({ kind: 'done' })
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'threw',
        plugin: 'hostile',
        message: 'plugin "hostile": starting the module failed',
      }),
    )
    group.close()
  })

  test('a heap that stays above the limit retires the isolate between crossings, and no call fails', async () => {
    const executors: FakeExecutor[] = []
    const { group, events } = await handMade(() => {
      const executor = new FakeExecutor()
      executor.size = executors.length === 0 ? 80 : 1
      executors.push(executor)
      return executor
    })
    const verdicts: Verdict[] = []
    while (!executors[0]!.disposed) verdicts.push(await run(group))
    expect(verdicts.every(({ kind }) => kind === 'done')).toBe(true)
    expect(events).toMatchObject([{ type: 'replaced', message: 'isolate of "local": the heap stays above 64 MB' }])
    expect(group.restarts).toBe(1)
    group.close()
  })
})

test('a loss in the middle of a run repeats what had no verdict, and no more', async () => {
  harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'hostile' }, { plugin: 'hostile' }])
  const { sandbox } = harness
  const settled: string[] = []
  await new Promise<void>((resolve) => {
    const paths = ['/a', '/loop', '/c']
    sandbox.call({
      hook: 'onRequest',
      flow: 'f',
      ...runOf(
        paths.map((_, instance) => instance),
        paths.map((path) => [path]),
      ),
      settle: (step, verdict) => {
        settled.push(verdict.kind === 'done' ? headerOf(verdict)! : verdict.code)
        if (step === 2) resolve()
        return true
      },
    })
  })
  expect(settled).toEqual(['/a', 'PT', '/c'])
})
