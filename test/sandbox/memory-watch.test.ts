import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ProcessMemory } from '../../core/sandbox/crossing-guard.ts'
import { MemoryWatch } from '../../core/sandbox/memory-watch.ts'

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
