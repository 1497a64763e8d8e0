import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { CrossingGuard, MemoryMember, ProcessMemory } from '../../core/sandbox/crossing-guard.ts'
import { MemoryWatch } from '../../core/sandbox/memory-watch.ts'
import { openHarness } from './harness.ts'

const limit = 64

/** What one crossing does: who crosses, and by how much memory outside of the heap it grows, MB. */
interface Crossing {
  readonly group: 'hostile' | 'innocent' | 'shared'
  /** In the group `shared`: 0 is hostile, 1 is innocent. */
  readonly plugin: number
  readonly grows: number
}

/** Innocent code makes garbage: it takes a little, and the next collection gives it back. */
const crossing: fc.Arbitrary<Crossing> = fc
  .record({
    group: fc.constantFrom('hostile', 'innocent', 'shared'),
    plugin: fc.nat(1),
    hoard: fc.integer({ min: 0, max: 60 }),
    garbage: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ group, plugin, hoard, garbage }) => {
    const isHostile = group === 'hostile' || (group === 'shared' && plugin === 0)
    return { group, plugin, grows: isHostile ? hoard : garbage }
  })

test('only what grows in its own crossings is billed: an innocent is never at fault for another one’s deed', () => {
  fc.assert(
    fc.property(fc.array(crossing, { minLength: 1, maxLength: 200 }), (crossings) => {
      const size = { resident: 200, virtual: 4_000 }
      const process: ProcessMemory = { join: () => {}, leave: () => {}, crossed: () => {}, look: () => ({ ...size }) }
      const watches = {
        hostile: new MemoryWatch(process, limit, { held: () => 10 }),
        innocent: new MemoryWatch(process, limit, { held: () => 10 }),
        shared: new MemoryWatch(process, limit, { held: () => 10 }),
      }
      const held = { hostile: 0, innocent: 0, shared: 0 }
      const garbage = { hostile: 0, innocent: 0, shared: 0 }
      for (const [i, { group, plugin, grows }] of crossings.entries()) {
        const watch = watches[group]
        const now = i * 10
        watch.watch(now)
        watch.before(now)
        size.resident += grows
        held[group] += grows
        if (grows <= 3) garbage[group] += grows
        // A collection, in whichever crossing it happens.
        if (garbage[group] > 20) {
          size.resident -= garbage[group]
          held[group] -= garbage[group]
          garbage[group] = 0
        }
        watch.after(now, group !== 'shared' || watch.isAlone ? plugin : -1)
        if (!watch.isFull) continue
        const atFault = watch.retire(now)
        size.resident -= held[group]
        held[group] = 0
        garbage[group] = 0
        expect(group).not.toBe('innocent')
        if (group === 'shared') expect(atFault ?? 0).toBe(0)
      }
    }),
    { numRuns: 1_000 },
  )
})

test('who fills an isolate twice under watch is at fault, and not the first time', () => {
  const size = { resident: 200, virtual: 4_000 }
  const process: ProcessMemory = { join: () => {}, leave: () => {}, crossed: () => {}, look: () => ({ ...size }) }
  const watch = new MemoryWatch(process, limit, { held: () => 10 })
  const fill = (plugin: number): number | undefined => {
    for (let i = 0; i < 20 && !watch.isFull; i++) {
      watch.before(1_000)
      size.resident += 20
      watch.after(1_000, plugin)
    }
    expect(watch.isFull).toBe(true)
    return watch.retire(1_000)
  }
  // Not watched: nothing is billed.
  watch.before(0)
  size.resident += 1_000
  watch.after(0, 3)
  expect(watch.isFull).toBe(false)
  watch.watch(0)
  expect(fill(-1)).toBe(undefined)
  expect(watch.isAlone).toBe(true)
  expect(fill(3)).toBe(3)
  watch.before(100_000)
  expect(watch.isAlone).toBe(false)
})

test('an isolate that holds too much outside of its heap is replaced, no call fails, and only the culprit gets a fault', async () => {
  const size = { resident: 200, virtual: 4_000 }
  const members: MemoryMember[] = []
  const memory: ProcessMemory = {
    join: (member) => members.push(member),
    leave: () => {},
    crossed: (member, now) => member.watch(now),
    look: () => ({ ...size }),
  }
  const guard: CrossingGuard = {
    progress: new SharedArrayBuffer(8),
    memory,
    // One of the plugins takes memory that no heap accounts for.
    enter: (calls) => {
      grows = calls.some(({ plugin, hook }) => plugin === 'hostile' && hook === 'onRequest')
    },
    leave: () => {
      if (grows) size.resident += 30
    },
  }
  let grows = false
  const { run, events, sandbox } = await openHarness([{ plugin: 'hostile' }, { plugin: 'hungry' }], { guard })
  onTestFinished(() => sandbox.close())
  for (let i = 0; i < 12; i++) {
    const verdicts = await Promise.all([run(0, '/'), run(1, '/1')])
    expect(verdicts.map(({ kind }) => kind)).toEqual(['done', 'done'])
  }
  const replaced = events.filter(({ type }) => type === 'replaced')
  expect(replaced.length).toBeGreaterThanOrEqual(2)
  expect(replaced[0]?.message).toContain('outside of its heap')
  const faults = events.filter(({ type }) => type === 'memory')
  // The first time is no fault.
  expect(faults.map(({ plugin }) => plugin)).toEqual(Array(replaced.length - 1).fill('hostile'))
})

test('a call that crosses alone gets an isolate that another plugin has not filled', async () => {
  const { run, events, sandbox, instances } = await openHarness([
    { plugin: 'hungry', limits: { time: 5_000 } },
    { plugin: 'hostile', limits: { time: 5_000 } },
  ])
  onTestFinished(() => sandbox.close())
  expect(await run(0, '/keep')).toMatchObject({ kind: 'done' })
  sandbox.suspect([instances[1]!.plugin.hash], true)
  expect(await run(1, '/')).toMatchObject({ kind: 'done' })
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'replaced', message: expect.stringContaining('more than half') }),
  )
  expect(events.filter(({ type }) => type === 'memory')).toEqual([])
  const before = events.length
  expect(await run(1, '/')).toMatchObject({ kind: 'done' })
  expect(events.length).toBe(before)
})
