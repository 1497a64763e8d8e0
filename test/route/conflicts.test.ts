import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Conflict, findConflicts, ranksOf } from '../../core/route/conflicts.ts'
import type { MatchConfig } from '../../core/route/match.ts'
import file from '../cases/route/conflicts.json' with { type: 'json' }
import { requests, routeSets } from './arbitrary.ts'
import { allThatMatch, compare } from './reference.ts'

interface Case {
  title: string
  a: MatchConfig
  b: MatchConfig
  /** Part of what both match, or of the remedy; none when no request can match both. */
  reason?: string
  /** Default: `same`. */
  kind?: Conflict['kind']
}

describe('two routes', () => {
  test.each(file as unknown as Case[])('$title', ({ a, b, reason, kind = 'same' }) => {
    const conflicts = findConflicts([
      { name: 'one', match: a },
      { name: 'two', match: b },
    ])
    if (reason === undefined) expect(conflicts).toEqual([])
    else {
      expect(conflicts).toMatchObject([{ a: 'one', b: 'two', kind }])
      expect(`${conflicts[0]!.both}: ${conflicts[0]!.remedy}`).toContain(reason)
    }
    const turned = findConflicts([
      { name: 'two', match: b },
      { name: 'one', match: a },
    ])
    expect(turned.length).toBe(conflicts.length)
  })
})

test('without conflicts one route wins every request', () => {
  fc.assert(
    fc.property(routeSets, requests, (routes, request) => {
      const refused = new Set(findConflicts(routes).map(({ b }) => b))
      const kept = routes.filter(({ name }) => !refused.has(name))
      expect(findConflicts(kept)).toEqual([])
      const [first, second] = allThatMatch(kept, request)
      if (first !== undefined && second !== undefined) expect(compare(first.match, second.match)).toBeLessThan(0)
    }),
    { numRuns: 2000 },
  )
})

test('each route is reported once, against the first it collides with', () => {
  const routes = ['a', 'b', 'c'].map((name) => ({ name, match: { path: '/' } }))
  expect(findConflicts(routes).map(({ a, b }) => [a, b])).toEqual([
    ['a', 'b'],
    ['a', 'c'],
  ])
})

test('conflicts come in the order of the routes', () => {
  const routes = ['/x', '/y', '/y', '/x'].map((path, index) => ({ name: `${index}`, match: { path } }))
  expect(findConflicts(routes).map(({ a, b }) => [a, b])).toEqual([
    ['1', '2'],
    ['0', '3'],
  ])
})

test('the first collision is told even among routes that a condition keeps apart', () => {
  const routes = [
    { x: '1', y: '1' },
    { x: '*', y: '2' },
    { x: '2', z: '1' },
    { x: '2', y: '2' },
  ].map((headers, index) => ({
    name: `${index}`,
    match: { headers: headers as Record<string, string> },
  }))
  expect(findConflicts(routes).map(({ a, b }) => [a, b])).toEqual([
    ['1', '2'],
    ['1', '3'],
  ])
  expect(findConflicts([routes[2]!, routes[1]!, routes[3]!, routes[0]!]).map(({ a, b }) => [a, b])).toEqual([
    ['2', '1'],
    ['2', '3'],
  ])
})

test('a copy is found even behind another route that it conflicts with', () => {
  const routes = [{ x: '*' }, { x: '1' }, { x: '1' }].map((headers, index) => ({
    name: `${index}`,
    match: { headers },
  }))
  expect(findConflicts(routes)).toMatchObject([
    { a: '0', b: '1', kind: 'covered' },
    { a: '1', b: '2', kind: 'same' },
  ])
})

test('the rank of a route counts those of its listener that are equally specific and written before it', () => {
  const routes = [{ x: '1' }, { y: '1' }, {}, { z: '1', w: '1' }, { z: '1' }].map((headers, index) => ({
    name: `${index}`,
    match: { headers: headers as Record<string, string> },
  }))
  expect([...ranksOf(routes)]).toEqual([
    ['1', 1],
    ['4', 2],
  ])
})

test('routes in one place, told apart by a header, do not cost their square', () => {
  const lookedAt = (size: number): number => {
    let reads = 0
    // Not GET: its list is copied to make room for HEAD.
    const routes = Array.from({ length: size }, (_, i) => ({
      name: `${i}`,
      match: { headers: { 'x-tenant': `${i}` }, methods: countReads(['POST'], () => reads++) },
    }))
    expect(findConflicts(routes)).toEqual([])
    return reads
  }
  expect(lookedAt(1000)).toBeLessThanOrEqual(lookedAt(100) * 10)
})

test('copies of one route do not cost their square', () => {
  const lookedAt = (size: number): number => {
    let reads = 0
    const routes = Array.from({ length: size }, (_, i) => ({
      name: `${i}`,
      match: { methods: countReads(['POST'], () => reads++) },
    }))
    expect(findConflicts(routes).length).toBe(size - 1)
    return reads
  }
  expect(lookedAt(1000)).toBeLessThanOrEqual(lookedAt(100) * 11)
})

/** Counts how often an array is looked at. */
function countReads<T>(array: T[], count: () => void): T[] {
  return new Proxy(array, {
    get(target, key, receiver) {
      count()
      return Reflect.get(target, key, receiver)
    },
  })
}
