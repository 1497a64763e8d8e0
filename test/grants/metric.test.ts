import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMetric } from '../../core/grants/metric.ts'
import { buckets, MetricRegistry } from '../../core/grants/metric-registry.ts'
import { grantCall } from './call.ts'

function open(): { registry: MetricRegistry; run: (kind: 'count' | 'observe', ...args: string[]) => void } {
  const registry = new MetricRegistry()
  const operations = createMetric(registry)
  return { registry, run: (kind, ...args) => void operations[kind](args, grantCall(`metric.${kind}`)) }
}

test('counts by labels, whatever their order', () => {
  const { registry, run } = open()
  run('count', 'hits', '1', 'b', '2', 'a', '1')
  run('count', 'hits', '2.5', 'a', '1', 'b', '2')
  run('count', 'hits', '1')
  const [family] = registry.families()
  expect(family).toMatchObject({ plugin: 'probe', name: 'hits', kind: 'counter' })
  const labels = [
    ['a', '1'],
    ['b', '2'],
  ]
  expect(family!.series).toMatchObject([
    { labels, sum: 3.5, count: 2 },
    { labels: [], sum: 1, count: 1 },
  ])
})

test('observes into buckets', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 20, noNaN: true })), (values) => {
      const { registry, run } = open()
      run('observe', 'seconds', '0')
      for (const value of values) run('observe', 'seconds', String(value))
      const [series] = registry.families()[0]!.series
      expect(series!.count).toBe(values.length + 1)
      const expected = buckets.map((bound) => 1 + values.filter((value) => value <= bound).length)
      expect(series!.cumulative).toEqual(expected)
    }),
    { numRuns: 50 },
  )
})

test('a plugin has a hundred series, what is beyond is counted', () => {
  const { registry, run } = open()
  for (let i = 0; i < 150; i++) run('count', `m${i % 3}`, '1', 'path', `/${i}`)
  run('count', 'm0', '1', 'path', '/0')
  run('observe', 'm0', '1', 'path', '/0')
  const families = registry.families()
  const dropped = families.find(({ name }) => name === 'dropped_samples')
  expect(dropped!.series[0]!.sum).toBe(51)
  expect(families.filter((family) => family !== dropped).flatMap(({ series }) => series)).toHaveLength(100)
})

test.each([
  [['1st', '1'], 'the name must have'],
  [['a b', '1'], 'the name must have'],
  [['', '1'], 'the name must have'],
  [['a', 'NaN'], 'the value must be a finite number'],
  [['a', '-1'], 'a counter never goes down'],
  [['a', '1', 'l l', 'x'], 'a label must have'],
  [['a', '1', 'l', 'x'.repeat(129)], 'a label value has 129 characters; the limit is 128'],
  [['a', '1', ...Array.from({ length: 18 }, (_, i) => `l${i}`)], 'a metric has 9 labels; the limit is 8'],
])('%j is refused', (args, message) => {
  expect(() => open().run('count', ...args)).toThrow(message)
})
