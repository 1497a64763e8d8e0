import { afterEach, describe, expect, test } from 'vitest'
import type { CrossingGuard, GuardedCall } from '../../core/sandbox/crossing-guard.ts'
import { openIsolateExecutor } from '../../core/sandbox/isolate-executor.ts'
import { layOut } from '../../core/sandbox/layout.ts'
import type { HookCall, Verdict } from '../../core/sandbox/plugin.ts'
import { type Harness, inputOf, instanceOf, openHarness, runOf, until } from './harness.ts'

let harness: Harness
afterEach(() => harness?.sandbox.close())

interface WitnessGuard extends CrossingGuard {
  /** The calls of each crossing, those that only resumed or dropped a hook included. */
  readonly crossings: (readonly GuardedCall[])[]
  inside: boolean
  reading: (on: boolean) => void
  /** Whether the host was being watched at each `reading`, and when a call was settled. */
  readonly seen: string[]
}

function createWitness(): WitnessGuard {
  const guard: WitnessGuard = {
    progress: new SharedArrayBuffer(8),
    crossings: [],
    inside: false,
    seen: [],
    reading: (on) => {
      expect(guard.inside).toBe(false)
      guard.seen.push(on ? 'begins' : 'ends')
    },
    enter: (calls) => {
      expect(guard.inside).toBe(false)
      guard.inside = true
      // A turn is what it is during the crossing only.
      guard.crossings.push(calls.map(({ hash, plugin, policy, hook, flow }) => ({ hash, plugin, policy, hook, flow })))
    },
    leave: () => {
      guard.inside = false
    },
  }
  return guard
}

function ofHook(guard: WitnessGuard): (readonly GuardedCall[])[] {
  return guard.crossings.filter(([first]) => first?.hook !== 'start')
}

describe('the guard', () => {
  test('sees every crossing with whose code it runs, and the start of every plugin', async () => {
    const guard = createWitness()
    harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'slow', fields: [] }], { guard })
    await Promise.all([harness.run(0, '/a'), harness.run(1)])
    const [hostile, slow] = harness.instances.map(({ plugin }) => plugin.hash)
    expect(guard.crossings.slice(0, 2).map((calls) => calls.map(({ hash, hook }) => [hash, hook]))).toEqual([
      [[hostile, 'start']],
      [[slow, 'start']],
    ])
    expect(ofHook(guard)[0]?.map(({ plugin, policy, hook, flow }) => ({ plugin, policy, hook, flow }))).toEqual([
      { plugin: 'hostile', policy: 'policy-0', hook: 'onRequest', flow: 'flow-0' },
      { plugin: 'slow', policy: 'policy-1', hook: 'onRequest', flow: 'flow-1' },
    ])
    expect(guard.inside).toBe(false)
  })

  test('watches the host while it reads records and settles calls', async () => {
    const guard = createWitness()
    harness = await openHarness([{ plugin: 'hostile' }], { guard })
    harness.start(0, () => guard.seen.push('settled'), '/a')
    await until(() => guard.seen.length === 3)
    expect(guard.seen).toEqual(['begins', 'settled', 'ends'])
  })

  test('waits longer for the first crossing, which loads code that later ones find loaded', async () => {
    const timeouts: number[] = []
    const guard: CrossingGuard = {
      progress: new SharedArrayBuffer(8),
      enter: ([first], timeout = 0) => {
        if (first?.hook !== 'start') timeouts.push(timeout)
      },
      leave: () => {},
    }
    harness = await openHarness([{ plugin: 'hostile' }], { guard })
    for (let i = 0; i < 3; i++) await harness.run(0, '/a')
    // The slice and the time of the plugin; deadlines of shared crossings fall together, at most 100 ms later.
    const least = 105
    const extra = timeouts.map((timeout, i) => timeout - least * (i === 0 ? 4 : 1))
    expect(Math.min(...extra)).toBeGreaterThan(0)
    expect(Math.max(...extra)).toBeLessThanOrEqual(100)
  })

  test('holds for all rounds of a crossing together', async () => {
    const { plugins } = layOut([await instanceOf('p', { plugin: 'asks' })])
    let rounds = 0
    const answer = (): string => {
      const until = performance.now() + 30
      while (performance.now() < until);
      return `+${++rounds}\x1e1\x1e1`
    }
    const executor = openIsolateExecutor({ plugins, memory: 64, emit: () => {}, answer })
    const step = { plugin: 0, call: 1, entry: 0, text: inputOf([`/${'kv,'.repeat(20)}header`]) }
    expect(executor.cross([step], 200)).toMatchObject({ kind: 'time' })
    expect(rounds).toBeLessThan(10)
    executor.dispose()
  })

  test('shows which call ran when a crossing did not return', async () => {
    const guard = createWitness()
    const { plugins } = layOut([await instanceOf('p', { plugin: 'hostile' })])
    const running = (): number => new Int32Array(guard.progress)[1]!
    const once = (paths: readonly string[]): string => {
      const executor = openIsolateExecutor({ plugins, memory: 64, emit: () => {}, guard })
      const steps = paths.map((path, call) => {
        return { plugin: 0, call, entry: 0, text: inputOf([path]) }
      })
      const { kind } = executor.cross(steps, 50)
      executor.dispose()
      return kind
    }
    // On a busy machine the slice, or the time, may be over before the culprit has its turn.
    const cross = (...paths: string[]): string => {
      const culprit = paths.findIndex((path) => path !== '/a' && path !== '/b')
      let kind = once(paths)
      for (let i = 0; i < 20 && paths.length > 2 && (kind === 'done' || (running() >= 0 && running() < culprit)); i++) {
        kind = once(paths)
      }
      return kind
    }
    expect(cross('/a', '/b', '/loop', '/c')).toBe('time')
    expect(running()).toBe(2)
    expect(cross('/a', '/b')).toBe('done')
    expect(running()).toBe(-1)
    // Microtasks of several steps cannot be attributed; those of a lone step are its own.
    expect(cross('/a', '/b', '/microtasks')).toBe('time')
    expect(running()).toBe(-1)
    expect(cross('/microtasks')).toBe('time')
    expect(running()).toBe(0)
  })
})

describe('suspects', () => {
  test('cross one at a time until they are cleared, the others together', async () => {
    const guard = createWitness()
    harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'budget', fields: ['path', 'client.ip'] }], { guard })
    const { hash } = harness.instances[1]!.plugin
    harness.sandbox.suspect([hash], true)
    const manyCalls = (): Promise<Verdict[]> =>
      Promise.all(
        Array.from({ length: 5 }, (_, i) => [harness.run(0, `/${i}`), harness.run(1, `/${i}`, `ip-${i}`)]).flat(),
      )
    expect((await manyCalls()).map(({ kind }) => kind)).toEqual(Array(10).fill('done'))
    const suspected = ofHook(guard).filter((calls) => calls.some((call) => call.hash === hash))
    expect(suspected.length).toBeGreaterThanOrEqual(5 * 2)
    expect(suspected.every((calls) => calls.length === 1)).toBe(true)
    expect(ofHook(guard).some((calls) => calls.length === 5)).toBe(true)

    harness.sandbox.suspect([hash], false)
    guard.crossings.length = 0
    await manyCalls()
    expect(ofHook(guard).some((calls) => calls.filter((call) => call.hash === hash).length > 1)).toBe(true)
  })

  test('a run with a suspect in it still takes its turns in order', async () => {
    const guard = createWitness()
    const slow = { plugin: 'slow', fields: [], limits: { time: 1_000 } }
    harness = await openHarness([{ plugin: 'hostile' }, slow, { plugin: 'hostile' }], { guard })
    harness.sandbox.suspect([harness.instances[1]!.plugin.hash], true)
    expect(await runAll([0, 1, 2])).toEqual([0, 1, 2])
    const crossed = ofHook(guard).map((calls) => calls.map(({ policy }) => policy).join())
    expect(crossed).toEqual(['policy-0', 'policy-1', 'policy-2'])
  })
})

/** One call with a step for each of these instances; returns the steps that were settled as done. */
function runAll(instances: readonly number[]): Promise<number[]> {
  const done: number[] = []
  return new Promise((resolve) => {
    const call: HookCall = {
      hook: 'onRequest',
      flow: 'f',
      ...runOf(
        instances,
        instances.map(() => ['/x']),
      ),
      settle: (step, { kind }) => {
        if (kind === 'done') done.push(step)
        if (step === instances.length - 1) resolve(done)
        return true
      },
    }
    harness.sandbox.call(call)
  })
}

describe('quarantine', () => {
  test('an open breaker lets no call through, not even in the middle of a run; a closed one does', async () => {
    harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'slow', fields: [] }, { plugin: 'hostile' }])
    const { hash } = harness.instances[1]!.plugin
    harness.sandbox.quarantine(hash, 'open')
    expect(await harness.run(1)).toEqual({
      kind: 'failed',
      code: 'PQ',
      message: 'policy "policy-1" (plugin "slow"), onRequest, PQ: the plugin is quarantined',
    })
    expect(await runAll([0, 1, 2])).toEqual([0, 2])
    expect(
      harness.sandbox.stats().map(({ plugin, quarantine, denied, calls }) => [plugin, quarantine, denied, calls]),
    ).toEqual([
      ['hostile', 'closed', 0, 2],
      ['slow', 'open', 2, 0],
    ])
    expect(harness.events).toEqual([])
    harness.sandbox.quarantine(hash, 'closed')
    expect(await harness.run(1)).toMatchObject({ kind: 'done' })
  })

  test('a probe is one call at a time, alone, and its result is reported', async () => {
    const guard = createWitness()
    harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'wrong' }], { guard })
    const { hash } = harness.instances[1]!.plugin
    harness.sandbox.quarantine(hash, 'half-open')
    const round = async (path: string): Promise<string[]> => {
      const calls = [harness.run(0, '/a'), harness.run(1, path), harness.run(1, path), harness.run(1, path)]
      return (await Promise.all(calls)).map((verdict) => (verdict.kind === 'done' ? 'done' : verdict.code))
    }
    expect(await round('/nothing')).toEqual(['done', 'done', 'PQ', 'PQ'])
    expect(harness.events).toMatchObject([{ type: 'ok-probe', plugin: 'wrong', hash, policy: 'policy-1' }])
    harness.events.length = 0
    expect(await round('/x')).toEqual(['done', 'PE', 'PQ', 'PQ'])
    expect(harness.events).toMatchObject([
      { type: 'threw', hash },
      { type: 'failed-probe', hash, message: expect.stringContaining('no such path: /x') },
    ])
    const probes = ofHook(guard).filter((calls) => calls.some((call) => call.hash === hash))
    expect(probes.map((calls) => calls.length)).toEqual([1, 1])
  })

  test('a probe whose writes are refused has failed', async () => {
    harness = await openHarness([{ plugin: 'hostile' }])
    const { hash } = harness.instances[0]!.plugin
    harness.sandbox.quarantine(hash, 'half-open')
    await new Promise<void>((resolve) => {
      const call: HookCall = {
        hook: 'onRequest',
        flow: 'f',
        steps: [{ instance: 0, input: inputOf(['/x']) }],
        settle: () => {
          harness.sandbox.refused(call, 'it may not write that')
          resolve()
          return false
        },
      }
      harness.sandbox.call(call)
    })
    expect(harness.events).toMatchObject([
      { type: 'refused', hash, policy: 'policy-0', message: 'it may not write that' },
      { type: 'failed-probe', hash },
    ])
  })

  test('a probe that is cancelled makes room for the next', async () => {
    const grants = { perform: () => new Promise<never>(() => {}), metrics: () => [] }
    harness = await openHarness([{ plugin: 'budget', fields: ['path', 'client.ip'] }, { plugin: 'hostile' }], {
      grants,
    })
    harness.sandbox.quarantine(harness.instances[0]!.plugin.hash, 'half-open')
    const waiting = harness.start(0, () => {}, '/a', 'a')
    expect(await harness.run(0, '/b', 'b')).toMatchObject({ code: 'PQ' })
    harness.sandbox.cancel(waiting)
    let settled = false
    harness.start(0, () => (settled = true), '/c', 'c')
    for (let i = 0; i < 5; i++) await harness.run(1, '/x')
    expect(settled).toBe(false)
    await until(() => harness.sandbox.stats()[0]!.denied === 1)
  })
})
