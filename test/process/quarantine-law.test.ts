import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Quarantine } from '../../core/process/quarantine.ts'
import { FakeTime } from './fake-time.ts'

const workers = 4
const plugins = ['poison', 'a', 'b', 'c']

/** What one worker does next; a worker whose crossing runs ends it, otherwise it begins one. */
interface Step {
  readonly worker: number
  /** Plugins that have calls ready. */
  readonly ready: readonly string[]
  /** The poison request is among them. */
  readonly poisoned: boolean
  /** ms since the step before. */
  readonly after: number
}

interface Crossing {
  readonly members: readonly string[]
  readonly deadly: boolean
  readonly alone: boolean
  /** Length of the longest chain of deaths that were known, each before the next began, when this one began. */
  readonly chain: number
}

const step: fc.Arbitrary<Step> = fc.record({
  worker: fc.nat(workers - 1),
  ready: fc.subarray(plugins, { minLength: 1 }),
  poisoned: fc.boolean(),
  after: fc.nat(3_000),
})

/** Runs four workers as their sandboxes would: suspects cross alone, what is quarantined does not cross. */
function run(steps: readonly Step[]) {
  const time = new FakeTime()
  const quarantine = new Quarantine({ now: time.now, schedule: time.schedule, onChange: () => {} })
  quarantine.adopt(plugins)
  const crossings: (Crossing | undefined)[] = Array.from({ length: workers })
  let chain = 0
  let deaths = 0
  for (const { worker, ready, poisoned, after } of steps) {
    time.advance(after)
    const crossing = crossings[worker]
    if (crossing !== undefined) {
      crossings[worker] = undefined
      if (!crossing.deadly) continue
      deaths++
      chain = Math.max(chain, crossing.chain + 1)
      quarantine.death(undefined, {
        calls: crossing.members.map((hash) => ({ hash, plugin: hash })),
        alone: crossing.alone,
      })
      continue
    }
    const runs = ready.filter((hash) => quarantine.state(hash) === 'closed')
    const suspects = quarantine.suspects()
    const alone = runs.find((hash) => suspects.includes(hash))
    const members = alone === undefined ? runs : [alone]
    crossings[worker] = { members, alone: alone !== undefined, deadly: poisoned && members.includes('poison'), chain }
  }
  return { quarantine, deaths, chain }
}

test('a poison request ends three processes at most, one after the other, whatever else four workers do', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const { chain, quarantine } = run(steps)
      // Deaths whose crossing had begun before the one before was known are of the same moment: nobody can stop those.
      expect(chain).toBeLessThanOrEqual(3)
      if (chain === 3) expect(quarantine.state('poison')).toBe('open')
    }),
    { numRuns: 1_000 },
  )
})

test('a client that sends it again when its answer fails to come: three processes, whichever workers they are', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      let sent: number | undefined
      const retried = steps.map((one) => {
        // Only one worker at a time has it.
        const poisoned = sent === undefined || sent === one.worker
        sent = sent === one.worker ? undefined : (sent ?? one.worker)
        return { ...one, poisoned }
      })
      expect(run(retried).deaths).toBeLessThanOrEqual(3)
    }),
    { numRuns: 1_000 },
  )
})

test('no innocent plugin is ever quarantined, and none stays a suspect', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const { quarantine } = run(steps)
      for (const hash of ['a', 'b', 'c']) expect(quarantine.state(hash)).toBe('closed')
    }),
    { numRuns: 1_000 },
  )
})

test('the laws are about something: in some runs there are three deaths in a chain', () => {
  const always = Array.from({ length: 40 }, (_, i) => ({ worker: i % 4, ready: plugins, poisoned: true, after: 100 }))
  const { chain, deaths, quarantine } = run(always)
  expect(chain).toBeGreaterThanOrEqual(2)
  expect(deaths).toBeGreaterThanOrEqual(3)
  expect(quarantine.state('poison')).toBe('open')
})
