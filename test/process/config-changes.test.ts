import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CheckedConfig } from '../../core/config/checked.ts'
import { applyChanges, type ConfigChanges, changesBetween } from '../../core/process/config-changes.ts'
import { type PackedConfig, packConfig } from '../../core/process/packed-config.ts'
import { atOnce } from '../helpers/at-once.ts'

const names = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '"', 'é', '0', '7')
const entries = fc.constantFrom<unknown>(
  { listener: 'x', n: 1 },
  { listener: 'y', n: 1 },
  { listener: 'x', deep: [{}] },
)
const section = fc.uniqueArray(fc.tuple(names, entries), { selector: ([name]) => name }).map((list) => {
  const all: Record<string, unknown> = Object.create(null)
  for (const [name, entry] of list) all[name] = structuredClone(entry)
  return all
})
/** What packing looks at, and something that it must hand on. */
const upstreamSection = section.map((all) => {
  for (const [name, entry] of Object.entries(all)) all[name] = { ...(entry as object), backends: [{ address: 'a:1' }] }
  return all
})
const configs = fc.tuple(section, upstreamSection, fc.nat()).map(([routes, upstreams, drain]) => {
  return { ok: true, config: { routes, upstreams, drain }, secrets: ['s'] } as unknown as CheckedConfig
})

/** As the processes do it: both hand-overs are messages. */
const packed = (checked: CheckedConfig): PackedConfig => deserialize(serialize(packConfig(checked)))
const sent = (before: PackedConfig | undefined, after: PackedConfig): ConfigChanges =>
  deserialize(serialize(changesBetween(before, after)))

const listed = (checked: CheckedConfig): unknown => {
  const byName = (all: object): unknown => Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))
  const { routes, upstreams, ...rest } = checked.config
  return [byName(routes), byName(upstreams), rest, checked.secrets]
}

test('a configuration arrives as it was, from nothing or from any other one', () => {
  fc.assert(
    fc.property(fc.array(configs, { minLength: 1, maxLength: 4 }), (chain) => {
      let before: PackedConfig | undefined
      let there: CheckedConfig | undefined
      for (const checked of chain) {
        const after = packed(checked)
        there = atOnce(applyChanges(there, sent(before, after)))
        before = after
        expect(listed(there)).toEqual(listed(checked))
      }
    }),
    { numRuns: 500 },
  )
})

test('what did not change is the same object', () => {
  fc.assert(
    fc.property(configs, configs, (one, two) => {
      const before = packed(one)
      const first = atOnce(applyChanges(undefined, sent(undefined, before)))
      const second = atOnce(applyChanges(first, sent(before, packed(two))))
      const again = atOnce(applyChanges(second, sent(packed(two), packed(two))))
      expect([again.config.routes, again.config.upstreams]).toEqual([second.config.routes, second.config.upstreams])
      expect(again.config.routes).toBe(second.config.routes)
      for (const name of Object.keys(second.config.routes)) {
        const same = JSON.stringify(first.config.routes[name]) === JSON.stringify(second.config.routes[name])
        expect(second.config.routes[name] === first.config.routes[name]).toBe(same)
      }
    }),
  )
})

test('counts the routes of each listener', () => {
  const routes = { a: { listener: 'x' }, b: { listener: 'y' }, c: { listener: 'x' } }
  const { routeCounts } = packed({ config: { routes, upstreams: {} } } as unknown as CheckedConfig)
  expect([...routeCounts]).toEqual([
    ['x', 2],
    ['y', 1],
  ])
})
