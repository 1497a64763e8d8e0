import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import { inSlices } from '../../core/in-slices.ts'
import { findConflicts, ranksOf } from '../../core/route/conflicts.ts'
import type { MatchConfig } from '../../core/route/match.ts'
import { routeTable } from '../../core/route/table.ts'
import file from '../cases/route/table.json' with { type: 'json' }
import { atOnce } from '../helpers/at-once.ts'
import { requests, routeSets } from './arbitrary.ts'
import { allThatMatch } from './reference.ts'

interface Case {
  title: string
  routes: Record<string, MatchConfig>
  requests: {
    host?: string
    path?: string
    query?: string
    method?: string
    headers?: Record<string, string>
    finds: string | null
  }[]
}

describe.each(file as unknown as Case[])('$title', ({ routes, requests }) => {
  const table = atOnce(routeTable(Object.entries(routes).map(([name, match]) => ({ name, match }))))
  test.each(requests)('%j', ({ host = 'a.org', path = '/', query = '', method = 'GET', headers = {}, finds }) => {
    const fields = new Fields(Object.entries(headers).flat())
    expect(table.find({ host, path, query, method, fields })?.name ?? null).toBe(finds)
  })
})

test('the answer is that of the plain definition', () => {
  fc.assert(
    fc.property(routeSets, requests, (routes, request) => {
      const refused = new Set(findConflicts(routes).map(({ b }) => b))
      const kept = routes.filter(({ name }) => !refused.has(name))
      expect(atOnce(routeTable(kept)).find(request)?.name).toBe(allThatMatch(kept, request)[0]?.name)
    }),
    { numRuns: 2000 },
  )
})

test('of routes that are equally specific the first one written is found', () => {
  fc.assert(
    fc.property(routeSets, requests, (routes, request) => {
      const ranks = ranksOf(routes)
      const ranked = routes.map((route) => ({ ...route, rank: ranks.get(route.name) }))
      // `sort` is stable: of equal ones the first written stays first.
      expect(atOnce(routeTable(ranked)).find(request)?.name).toBe(allThatMatch(routes, request)[0]?.name)
    }),
    { numRuns: 2000 },
  )
})

test('near misses: other methods, and a slash more or less at the end', () => {
  const table = atOnce(
    routeTable(
      Object.entries<MatchConfig>({
        post: { path: '/a', methods: ['POST'] },
        put: { path: '/a', methods: ['PUT'], headers: { x: '1' } },
        below: { path: '/shop/*' },
        exact: { path: '/exact' },
        host: { host: 'b', path: '/a', methods: ['DELETE'] },
      }).map(([name, match]) => ({ name, match })),
    ),
  )
  const near = (path: string, headers: string[] = [], host = 'a', method = 'GET'): unknown => {
    const miss = table.nearMiss({ host, path, query: '', method, fields: new Fields(headers) })
    return [miss.otherMethods.map(({ name }) => name), miss.otherSlash?.name]
  }
  expect(near('/a')).toEqual([['post'], undefined])
  expect(near('/a', ['x', '1'])).toEqual([['put', 'post'], undefined])
  expect(near('/a', [], 'b')).toEqual([['host', 'post'], undefined])
  expect(near('/shop')).toEqual([[], 'below'])
  expect(near('/exact/')).toEqual([[], 'exact'])
  expect(near('/other')).toEqual([[], undefined])
})

test('the order of the routes never matters to those that differ', () => {
  const shuffled = routeSets.chain((routes) =>
    fc.tuple(fc.constant(routes), fc.shuffledSubarray(routes, { minLength: routes.length })),
  )
  fc.assert(
    fc.property(shuffled, requests, ([routes, others], request) => {
      expect(atOnce(routeTable(others)).find(request)).toBe(atOnce(routeTable(routes)).find(request))
    }),
    { numRuns: 500 },
  )
})

test('built in slices it is the same table', async () => {
  let time = 0
  await fc.assert(
    fc.asyncProperty(routeSets, fc.array(requests, { minLength: 1 }), async (routes, all) => {
      // A clock on which every look takes longer than a slice.
      const sliced = await inSlices(routeTable(routes), () => time++)
      const table = atOnce(routeTable(routes))
      for (const request of all) expect(sliced.find(request)).toBe(table.find(request))
    }),
  )
})

test('a look-up does not depend on the number of routes', () => {
  const request = { host: 'h1.example.com', path: '/part-1/1/x', query: '', method: 'GET', fields: new Fields() }
  /** Shortest of several rounds, so that a busy machine does not count. */
  const cost = (size: number): number => {
    const routes = Array.from({ length: size }, (_, i) => ({
      name: `route-${i}`,
      // Hosts and paths grow alike: half of the routes share one host, each of the others has its own.
      match: i % 2 ? { host: '*.example.com', path: `/part-1/${i}/*` } : { host: `h${i}.example.org` },
    }))
    const table = atOnce(routeTable(routes))
    expect(table.find(request)?.name).toBe('route-1')
    const rounds = Array.from({ length: 10 }, () => {
      const start = performance.now()
      for (let i = 0; i < 1000; i++) table.find(request)
      return performance.now() - start
    })
    return Math.min(...rounds)
  }
  const few = cost(10)
  // A walk over the routes would make it a thousand times more.
  expect(cost(10_000)).toBeLessThan(few * 20)
})
