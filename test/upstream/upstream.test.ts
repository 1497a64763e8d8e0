import { expect, test } from 'vitest'
import { createBalance } from '../../core/upstream/balance.ts'
import { Upstream } from '../../core/upstream/upstream.ts'
import { anyFlow, backendsOf, upstreamConfig } from './configs.ts'

function upstreamOf(count: number): Upstream {
  const backends = backendsOf(Array(count).fill(1))
  return new Upstream('app', upstreamConfig([]), backends, createBalance('round-robin'))
}

test('offers what is available and was not tried', () => {
  const upstream = upstreamOf(4)
  const [a, b, c, d] = upstream.backends as [never, never, never, never]
  Object.assign(b, { healthy: false })
  Object.assign(c, { state: 'drain' })
  expect(upstream.candidates([])).toEqual([a, d])
  expect(upstream.candidates([a])).toEqual([d])
  expect(upstream.candidates([a, d])).toEqual([])
  expect(upstream.pick(upstream.candidates([a, d]), anyFlow)).toBeUndefined()
  Object.assign(b, { healthy: true })
  expect(upstream.candidates([])).toEqual([a, b, d])
})

test('offers those that drain only to policies', () => {
  const upstream = upstreamOf(4)
  const [a, b, c, d] = upstream.backends as [never, never, never, never]
  Object.assign(b, { state: 'drain' })
  Object.assign(c, { state: 'drain', healthy: false })
  Object.assign(d, { state: 'down' })
  expect(upstream.candidates([])).toEqual([a])
  expect(upstream.choosable([])).toEqual([a, b])
  expect(upstream.choosable([a])).toEqual([b])
})

test('makes no new list while nothing changes, and leaves a given one alone', () => {
  const upstream = upstreamOf(3)
  const before = upstream.candidates([])
  expect(upstream.candidates([])).toBe(before)
  upstream.backends[0]!.healthy = false
  expect(upstream.candidates([])).toHaveLength(2)
  expect(before).toHaveLength(3)
})
