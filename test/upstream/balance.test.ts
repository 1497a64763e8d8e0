import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Backend } from '../../core/upstream/backend.ts'
import { createBalance } from '../../core/upstream/balance.ts'
import { anyFlow, backendsOf } from './configs.ts'

const kinds = ['round-robin', 'least-connections'] as const
const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 })

function picks(kind: (typeof kinds)[number], weights: number[], count: number): string {
  const backends = backendsOf(weights)
  const balance = createBalance(kind)
  return Array.from({ length: count }, () => 'abcdefgh'[backends.indexOf(balance.pick(backends, anyFlow)!)]).join('')
}

describe.each(kinds)('%s', (kind) => {
  test('gives every backend exactly its share of idle ones', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 4 }), (weights, rounds) => {
        const round = weights.reduce((sum, weight) => sum + weight)
        const picked = picks(kind, weights, rounds * round)
        weights.forEach((weight, i) => {
          expect(picked.split('abcdefgh'[i]!).length - 1).toBe(weight * rounds)
        })
      }),
    )
  })

  test('never picks outside the candidates, whatever was picked before', () => {
    fc.assert(
      fc.property(weights, fc.array(fc.nat({ max: 255 }), { maxLength: 50 }), (weights, masks) => {
        const backends = backendsOf(weights)
        const balance = createBalance(kind)
        for (const mask of masks) {
          const candidates = backends.filter((_, i) => mask & (1 << i))
          const picked = balance.pick(candidates, anyFlow)
          if (candidates.length === 0) expect(picked).toBeUndefined()
          else expect(candidates).toContain(picked)
          picked?.acquire()
        }
      }),
    )
  })
})

test('round-robin is smooth', () => {
  expect(picks('round-robin', [5, 1, 1], 7)).toBe('aabacaa')
})

test('round-robin stays within reach of the shares after any changes of the candidates', () => {
  fc.assert(
    fc.property(weights, fc.array(fc.nat({ max: 255 }), { maxLength: 200 }), (weights, masks) => {
      const backends = backendsOf(weights)
      const balance = createBalance('round-robin')
      for (const mask of masks)
        balance.pick(
          backends.filter((_, i) => mask & (1 << i)),
          anyFlow,
        )
      const counts = new Map<Backend, number>(backends.map((backend) => [backend, 0]))
      const round = weights.reduce((sum, weight) => sum + weight)
      for (let i = 0; i < round * 10; i++) {
        const picked = balance.pick(backends, anyFlow)!
        counts.set(picked, counts.get(picked)! + 1)
      }
      for (const [backend, count] of counts) expect(Math.abs(count - backend.weight * 10)).toBeLessThan(backends.length)
    }),
  )
})

test('a backend that was away gets no burst when it is back', () => {
  const [a, b] = backendsOf([1, 1]) as [Backend, Backend]
  const balance = createBalance('round-robin')
  for (let i = 0; i < 100; i++) balance.pick([a], anyFlow)
  const after = Array.from({ length: 6 }, () => balance.pick([a, b], anyFlow))
  expect(after.filter((backend) => backend === b)).toHaveLength(3)
})

test('with one that always refuses, the others share its part alike', () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 9 }), fc.nat({ max: 8 }), (count, index) => {
      const backends = backendsOf(Array(count).fill(1))
      const bad = backends[index % count]!
      const balance = createBalance('round-robin')
      const counts = new Map<Backend, number>()
      for (let i = 0; i < count * 40; i++) {
        let picked = balance.pick(backends, anyFlow)!
        // As a flow does: the next attempt is without it.
        if (picked === bad)
          picked = balance.pick(
            backends.filter((backend) => backend !== bad),
            anyFlow,
          )!
        counts.set(picked, (counts.get(picked) ?? 0) + 1)
      }
      const shares = [...counts.values()]
      expect(counts.size).toBe(count - 1)
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThan(count)
    }),
  )
})

test('a weight that changes counts from the next pick on', () => {
  const backends = backendsOf([1, 1, 1])
  const balance = createBalance('round-robin')
  for (let i = 0; i < 4; i++) balance.pick(backends, anyFlow)
  backends[0]!.measuredWeight = 4
  const picked = Array.from({ length: 60 }, () => backends.indexOf(balance.pick(backends, anyFlow)!))
  expect(picked.filter((index) => index === 0)).toHaveLength(40)
  backends[0]!.measuredWeight = undefined
  const after = Array.from({ length: 30 }, () => backends.indexOf(balance.pick(backends, anyFlow)!))
  expect(after.filter((index) => index === 0)).toHaveLength(10)
})

test('least-connections never picks one that has strictly more active for its weight', () => {
  const loads = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 1_000 }), active: fc.nat({ max: 50 }) }), {
    minLength: 1,
    maxLength: 8,
  })
  fc.assert(
    fc.property(loads, (loads) => {
      const backends = backendsOf(loads.map((load) => load.weight))
      loads.forEach((load, i) => {
        for (let n = 0; n < load.active; n++) backends[i]!.acquire()
      })
      const picked = createBalance('least-connections').pick(backends, anyFlow)!
      for (const other of backends)
        expect(picked.active * other.weight).toBeLessThanOrEqual(other.active * picked.weight)
    }),
  )
})

test('least-connections goes round among those that tie', () => {
  const backends = backendsOf([1, 1, 1])
  const balance = createBalance('least-connections')
  backends[1]!.acquire()
  const picked = Array.from({ length: 4 }, () => backends.indexOf(balance.pick(backends, anyFlow)!))
  expect(picked).toEqual([0, 2, 0, 2])
})
