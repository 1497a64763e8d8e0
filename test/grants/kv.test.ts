import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createKv, type KvBounds } from '../../core/grants/kv.ts'
import { until } from '../helpers/until.ts'
import { grantCall } from './call.ts'

function kv(bounds?: KvBounds): (operation: 'get' | 'set' | 'delete' | 'increment', ...args: string[]) => string {
  const operations = createKv(bounds)
  return (operation, ...args) => {
    const [value] = operations[operation](args, grantCall('')) as readonly string[]
    return value ?? '(none)'
  }
}

test('keeps text for a while', async () => {
  const run = kv()
  expect(run('get', 'a')).toBe('(none)')
  run('set', 'a', 'x\u001ey', '60')
  run('set', '', '', '60')
  expect(run('get', 'a')).toBe('x\u001ey')
  expect(run('get', '')).toBe('')
  expect([run('delete', 'a'), run('delete', 'a')]).toEqual(['1', ''])
  run('set', 'b', 'x', '0.02')
  await until('its end', () => run('get', 'b') === '(none)')
  expect(run('delete', 'b')).toBe('')
})

test('adds in one step, and its time runs from the beginning', async () => {
  const run = kv()
  expect([run('increment', 'n', '2', '0.05'), run('increment', 'n', '-5', '60')]).toEqual(['2', '-3'])
  await until('its end', () => run('get', 'n') === '(none)')
  run('set', 'text', 'x', '60')
  expect(() => run('increment', 'text', '1', '60')).toThrow('the stored value must be a whole number')
  run('set', 'n', String(Number.MAX_SAFE_INTEGER), '60')
  expect(() => run('increment', 'n', '1', '60')).toThrow('the sum is beyond 2^53 - 1')
})

test('plugins do not meet, versions of one do', () => {
  const { set, get } = createKv()
  const from = (name: string, publisher: string, hash: string) =>
    grantCall('', [], { plugin: { name, publisher, hash } })
  set(['k', 'v', '60'], from('a', 'local', '1'))
  expect(get(['k'], from('a', 'local', '2'))).toEqual(['v'])
  expect(get(['k'], from('b', 'local', '1'))).toEqual([])
  expect(get(['k'], from('a', '@evil', '1'))).toEqual([])
})

test('what was not used for longest goes first', () => {
  const run = kv({ entries: 2, size: 100 })
  for (const key of ['a', 'b']) run('set', key, key, '60')
  run('get', 'a')
  run('set', 'c', 'c', '60')
  expect(['a', 'b', 'c'].map((key) => run('get', key))).toEqual(['a', '(none)', 'c'])
  run('set', 'd', 'x'.repeat(98), '60')
  expect(['a', 'c'].map((key) => run('get', key))).toEqual(['(none)', '(none)'])
})

test('the bounds hold whatever is set', () => {
  const text = fc.string({ maxLength: 8 })
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text)), (pairs) => {
      const run = kv({ entries: 5, size: 30 })
      const keys = new Set<string>()
      for (const [key, value] of pairs) {
        run('set', key, value, '60')
        keys.add(key)
        expect(run('get', key)).toBe(value)
      }
      const kept = [...keys].map((key) => [key, run('get', key)]).filter(([, value]) => value !== '(none)')
      expect(kept.length).toBeLessThanOrEqual(5)
      expect(kept.flat().join('').length).toBeLessThanOrEqual(30)
    }),
    { numRuns: 50 },
  )
})

test.each([
  [['k'.repeat(513), 'v', '60'], 'the key has 513 characters; the limit is 512'],
  [['k', 'v'.repeat(65_537), '60'], 'the value has 65537 characters; the limit is 65536'],
  [['k', 'v', '0'], 'ttl must be more than 0 and at most 86400 seconds, not 0'],
  [['k', 'v', '86401'], 'ttl must be more than 0'],
  [['k', 'v', 'NaN'], 'ttl must be more than 0'],
  [['k', 'v'], 'ttl must be more than 0'],
])('%#: refused', (args, message) => {
  expect(() => kv()('set', ...args)).toThrow(message)
})
