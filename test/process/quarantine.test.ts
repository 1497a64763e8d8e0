import { describe, expect, test } from 'vitest'
import type { FaultKind } from '../../core/process/fault.ts'
import type { QuarantineState } from '../../core/process/plugin-faults.ts'
import { Quarantine } from '../../core/process/quarantine.ts'
import type { SandboxEvent } from '../../core/sandbox/event.ts'
import { FakeTime } from './fake-time.ts'

const second = 1_000
const minute = 60_000

function start() {
  const time = new FakeTime()
  const changes: [hash: string, state: QuarantineState, why: string][] = []
  const suspicions: [hashes: string, on: boolean][] = []
  const quarantine = new Quarantine({
    now: time.now,
    schedule: time.schedule,
    onChange: (...change) => changes.push(change),
    onSuspects: (hashes, on) => suspicions.push([[...hashes].sort().join(), on]),
  })
  quarantine.adopt(['a', 'b', 'c', 'd'])
  return {
    time,
    changes,
    suspicions,
    quarantine,
    states: () => changes.map(([, state]) => state),
    fail: (kind: FaultKind, times = 1, hash = 'a') => {
      for (let i = 0; i < times; i++) quarantine.fault({ hash, plugin: `plugin-${hash}`, kind, alone: true })
    },
    /** A worker dies in a crossing of these plugins; it counts as made alone when a suspect was the only one. */
    die: (...hashes: string[]) =>
      quarantine.death(undefined, {
        calls: hashes.map((hash) => ({ hash, plugin: `plugin-${hash}` })),
        alone: hashes.length === 1 && quarantine.suspects().includes(hashes[0]!),
      }),
    entry: (hash = 'a') => quarantine.snapshot().find((entry) => entry.hash === hash),
  }
}

describe('points', () => {
  test.for<[FaultKind, number]>([
    ['threw', 100],
    ['timeout', 10],
    ['memory', 10],
    ['kill', 2],
    ['crash', 2],
  ])('%s: %i times in a moment', ([kind, times]) => {
    const { fail, quarantine } = start()
    fail(kind, times - 1)
    expect(quarantine.state('a')).toBe('closed')
    fail(kind)
    expect(quarantine.state('a')).toBe('open')
    expect(quarantine.state('b')).toBe('closed')
  })

  test('add up, and say what they were', () => {
    const { fail, changes } = start()
    fail('timeout', 4)
    fail('threw', 10)
    fail('crash')
    expect(changes).toEqual([['a', 'open', 'it ran out of time 4 times, threw 10 times, crashed its process once']])
  })

  test('a failed call counts for a minute', () => {
    const { fail, time, quarantine } = start()
    fail('timeout', 9)
    time.advance(minute)
    fail('timeout', 9)
    expect(quarantine.state('a')).toBe('closed')
    time.advance(minute - 1)
    fail('timeout')
    expect(quarantine.state('a')).toBe('open')
  })

  test('an ended process counts for ten', () => {
    const { fail, time, quarantine } = start()
    fail('kill')
    time.advance(10 * minute)
    fail('kill')
    expect(quarantine.state('a')).toBe('closed')
    time.advance(10 * minute - 1)
    fail('crash')
    expect(quarantine.state('a')).toBe('open')
  })
})

describe('after failed calls', () => {
  test('it is open for 30 s, then probed, and closed when that goes well', () => {
    const { fail, time, quarantine, states, entry } = start()
    fail('timeout', 10)
    expect(entry()).toMatchObject({ state: 'open', since: time.now(), until: time.now() + 30 * second })
    time.advance(30 * second - 1)
    expect(quarantine.state('a')).toBe('open')
    time.advance(1)
    expect(quarantine.state('a')).toBe('half-open')
    time.advance(60 * minute)
    expect(quarantine.state('a')).toBe('half-open')
    quarantine.probed('a', true)
    expect(states()).toEqual(['open', 'half-open', 'closed'])
    fail('timeout', 9)
    expect(quarantine.state('a')).toBe('closed')
  })

  test('each probe that fails doubles the wait, up to ten minutes', () => {
    const { fail, time, quarantine, entry } = start()
    fail('timeout', 10)
    const waits: number[] = []
    for (let n = 0; n < 7; n++) {
      waits.push((entry()!.until! - time.now()) / second)
      time.advance(waits.at(-1)! * second)
      quarantine.probed('a', false)
      expect(quarantine.state('a')).toBe('open')
    }
    expect(waits).toEqual([30, 60, 120, 240, 480, 600, 600])
  })

  test('the wait is remembered when it fails again soon, and forgotten after ten good minutes', () => {
    const { fail, time, quarantine, entry } = start()
    const wait = (): number => (entry()!.until! - time.now()) / second
    fail('timeout', 10)
    time.advance(30 * second)
    quarantine.probed('a', true)
    time.advance(10 * minute - 1)
    fail('timeout', 10)
    expect(wait()).toBe(60)
    time.advance(minute)
    quarantine.probed('a', true)
    time.advance(10 * minute)
    fail('timeout', 10)
    expect(wait()).toBe(30)
  })

  test('a fault of the probe itself is its failure, told once', () => {
    const { fail, time, quarantine, states } = start()
    fail('timeout', 10)
    time.advance(30 * second)
    fail('threw')
    quarantine.probed('a', false)
    expect(states()).toEqual(['open', 'half-open', 'open'])
  })

  test('what was under way when it was opened changes nothing, but is counted', () => {
    const { fail, time, states, entry, quarantine } = start()
    fail('timeout', 25)
    quarantine.probed('a', true)
    expect(states()).toEqual(['open'])
    expect(entry()!.faults.timeout).toBe(25)
    time.advance(30 * second)
    quarantine.probed('a', true)
    quarantine.probed('a', false)
    expect(states()).toEqual(['open', 'half-open', 'closed'])
  })
})

describe('after ended processes', () => {
  test('it is never probed; a person ends it', () => {
    const { fail, time, quarantine, states, entry } = start()
    fail('kill', 2)
    expect(entry()).toMatchObject({ state: 'open', why: 'it had its process killed by the watchdog 2 times' })
    expect(entry()).not.toHaveProperty('until')
    time.advance(48 * 60 * minute)
    quarantine.probed('a', true)
    expect(states()).toEqual(['open'])
    expect(quarantine.clear('a')).toBe(true)
    expect(states()).toEqual(['open', 'closed'])
    expect(quarantine.suspects()).toEqual([])
    fail('kill')
    expect(quarantine.state('a')).toBe('closed')
  })

  test.for(['open', 'probe'] as const)(
    'one while it is %s opens it again, two end it, however long that takes',
    (state) => {
      const { fail, time, quarantine, entry } = start()
      fail('timeout', 10)
      if (state === 'probe') time.advance(30 * second)
      fail('crash')
      expect(entry()).toMatchObject({ state: 'open', until: expect.any(Number) })
      time.advance(20 * minute)
      expect(quarantine.state('a')).toBe('half-open')
      fail('crash')
      time.advance(60 * minute)
      expect(quarantine.state('a')).toBe('open')
      expect(entry()).not.toHaveProperty('until')
    },
  )

  test('other code of the same plugin starts clean, and the way back stays shut for an hour', () => {
    const { fail, time, quarantine } = start()
    fail('crash', 2)
    quarantine.adopt(['a2', 'b'])
    expect(quarantine.state('a2')).toBe('closed')
    time.advance(59 * minute)
    quarantine.adopt(['a', 'b'])
    expect(quarantine.state('a')).toBe('open')
    time.advance(120 * minute)
    expect(quarantine.state('a')).toBe('open')
    quarantine.adopt(['b'])
    time.advance(60 * minute)
    expect(quarantine.snapshot()).toEqual([])
  })
})

describe('a death in a crossing of several', () => {
  test('costs no points, but they are suspects', () => {
    const { die, quarantine, suspicions, entry } = start()
    die('a', 'b', 'c', 'a')
    expect(suspicions).toEqual([['a,b,c', true]])
    expect([...quarantine.suspects()].sort()).toEqual(['a', 'b', 'c'])
    expect(entry()).toMatchObject({ state: 'closed', suspect: true, faults: { kill: 0, crash: 0 } })
    for (let i = 0; i < 10; i++) die('a', 'b', 'c')
    expect(quarantine.state('a')).toBe('closed')
  })

  test('the one that crashes alone frees the others of what it explains', () => {
    const { die, quarantine, suspicions } = start()
    die('a', 'b')
    die('a', 'c')
    die('c', 'd')
    suspicions.length = 0
    die('a')
    expect(suspicions).toEqual([['b', false]])
    expect([...quarantine.suspects()].sort()).toEqual(['a', 'c', 'd'])
  })

  test('suspicion ends after ten minutes', () => {
    const { die, time, quarantine, suspicions } = start()
    die('a', 'b')
    time.advance(5 * minute)
    die('b', 'c')
    time.advance(5 * minute)
    expect([...quarantine.suspects()].sort()).toEqual(['b', 'c'])
    time.advance(5 * minute)
    expect(quarantine.suspects()).toEqual([])
    expect(suspicions).toEqual([
      ['a,b', true],
      ['c', true],
      ['a', false],
      ['b,c', false],
    ])
  })

  test('several calls of one plugin did not cross alone: it is the only suspect', () => {
    const { die, quarantine } = start()
    for (let i = 0; i < 3; i++) die('a', 'a')
    expect(quarantine.suspects()).toEqual(['a'])
    expect(quarantine.state('a')).toBe('closed')
  })

  test('outside of a crossing it is nobody’s', () => {
    const { die, quarantine } = start()
    die()
    expect([quarantine.suspects(), quarantine.snapshot()]).toEqual([[], []])
  })

  test('the report of a watchdog is believed before the slot, unless it names nobody', () => {
    const { quarantine, entry } = start()
    const call = (hash: string) => ({ hash, plugin: `plugin-${hash}`, policy: 'p', hook: 'onRequest', flow: 'f' })
    const slot = ['a', 'b'].map(call)
    quarantine.death({ type: 'stuck', calls: [call('a')], polls: 40 }, { calls: slot, alone: false })
    expect(quarantine.suspects()).toEqual(['a'])
    expect(entry()!.faults.kill).toBe(0)
    quarantine.death({ type: 'stuck', calls: [], polls: 40 }, { calls: slot, alone: false })
    expect(quarantine.suspects()).toEqual(['a', 'b'])
    quarantine.death({ type: 'stuck', calls: [call('a')], polls: 40 }, { calls: [call('a')], alone: true })
    expect(entry()!.faults.kill).toBe(1)
  })

  test('one death convicts no plugin, two in crossings made alone do', () => {
    const { die, entry, quarantine } = start()
    die('a')
    expect(entry()).toMatchObject({ state: 'closed', suspect: true, faults: { crash: 0 } })
    die('a')
    expect(entry()).toMatchObject({ state: 'closed', faults: { crash: 1 } })
    die('a')
    expect(quarantine.state('a')).toBe('open')
  })

  test('it says which deaths bring a plugin nearer to its end: a few at most', () => {
    const { die, fail, quarantine } = start()
    expect(['a', 'a', 'a', 'a', 'a'].map((hash) => die(hash))).toEqual([true, true, true, false, false])
    expect([die('b', 'c'), die('b', 'c'), die('b', 'd'), die()]).toEqual([true, false, true, false])
    fail('timeout', 10, 'e')
    expect(die('e')).toBe(true)
    expect(quarantine.death({ type: 'resources', resident: 1, virtual: 1 }, { calls: [], alone: false })).toBe(false)
  })

  test('a process that had grown too much, or ended itself for its size, blames no plugin', () => {
    const { quarantine, entry } = start()
    const calls = [{ hash: 'a', plugin: 'plugin-a' }]
    for (let i = 0; i < 10; i++)
      quarantine.death({ type: 'resources', resident: 2_000, virtual: 9_000 }, { calls, alone: true })
    expect([quarantine.suspects(), quarantine.snapshot()]).toEqual([[], []])
    for (let i = 0; i < 10; i++) quarantine.death(undefined, { calls, alone: false })
    expect(entry()).toMatchObject({ state: 'closed', suspect: true, faults: { crash: 0 } })
  })
})

test('events of a sandbox: faults and probes, and nobody is blamed for what is nobody’s', () => {
  const { quarantine, time, entry } = start()
  const tell = (type: SandboxEvent['type'], hash = 'a'): void => {
    quarantine.event({ type, hash, plugin: 'plugin-a', alone: true, message: '' })
  }
  for (const type of ['replaced', 'rejection', 'late', 'undeclared'] as const) tell(type)
  tell('threw', '')
  expect(quarantine.snapshot()).toEqual([])
  for (let i = 0; i < 10; i++) tell('memory')
  tell('threw')
  tell('refused')
  expect(entry()!.faults).toEqual({ threw: 2, timeout: 0, memory: 10, kill: 0, crash: 0 })
  time.advance(30 * second)
  tell('failed-probe')
  expect(entry()!.state).toBe('open')
  time.advance(60 * second)
  tell('ok-probe')
  expect(entry()!.state).toBe('closed')
})

describe('memory', () => {
  test('of plugins that no configuration names is bounded, and goes', () => {
    const { quarantine, time, fail } = start()
    fail('threw')
    for (let i = 0; i < 5_000; i++) fail('threw', 1, `stranger-${i}`)
    expect(quarantine.snapshot().length).toBeLessThanOrEqual(1_004)
    time.advance(61 * minute)
    expect(quarantine.snapshot().map(({ hash }) => hash)).toEqual(['a'])
  })

  test('nothing is scheduled when there is nothing to come, and one thing at most', () => {
    const { fail, time, quarantine } = start()
    expect(time.scheduled).toBe(0)
    fail('timeout', 10)
    fail('timeout', 10, 'b')
    const calls = ['c', 'd'].map((hash) => ({ hash, plugin: hash }))
    quarantine.death(undefined, { calls, alone: false })
    expect(time.scheduled).toBe(1)
    quarantine.close()
    expect(time.scheduled).toBe(0)
  })

  test('the snapshot is plain data', () => {
    const { fail, quarantine } = start()
    fail('timeout', 10)
    const snapshot = quarantine.snapshot()
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot)
  })
})

test('by itself it uses the clock and timers that keep no process alive', () => {
  const quarantine = new Quarantine({ onChange: () => {} })
  quarantine.fault({ hash: 'a', plugin: 'a', kind: 'crash', alone: true })
  expect(Math.abs(quarantine.snapshot()[0]!.since - Date.now())).toBeLessThan(minute)
  expect(process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length).toBeLessThan(5)
  quarantine.close()
})
