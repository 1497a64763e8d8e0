import fc from 'fast-check'
import { Fields } from '../../core/http/fields.ts'
import type { RouteRequest } from '../../core/route/conditions.ts'
import type { MatchConfig } from '../../core/route/match.ts'
import type { Matchable } from '../../core/route/table.ts'

const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const record = (names: string[], values: string[]) =>
  some(fc.dictionary(fc.constantFrom(...names), fc.constantFrom(...values), { maxKeys: 2 }))

const paths = [
  ...['/', '/*', '/a', '/a/', '/a/*', '/a/b', '/a/b/*', '/@/*', '/%40/*'],
  ...['/{p}', '/{p}/b', '/a/{p}', '/{p}/{q}', '/{p}/*', '/a/{p}/*', '/{p}/b/*', '/{p}/', '/a/{p}/c'],
]

/** Few distinct values, so that routes and requests meet often. */
const match: fc.Arbitrary<MatchConfig> = fc
  .record({
    host: some(fc.constantFrom('a.x', 'b.a.x', '*.x', '*.a.x', 'A.X')),
    path: some(fc.constantFrom(...paths)),
    methods: some(fc.uniqueArray(fc.constantFrom('GET', 'HEAD', 'POST'), { minLength: 1 })),
    headers: record(['h', 'I'], ['1', '2', '*']),
    query: record(['q', 'r'], ['1', '2', '*']),
    cookies: record(['c', 'd'], ['1', '2', '*']),
  })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as MatchConfig)

export const routeSets: fc.Arbitrary<Matchable[]> = fc
  .array(match, { maxLength: 12 })
  .map((matches) => matches.map((match, index) => ({ name: `route-${index}`, match })))

const pairs = (names: string[]) =>
  fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom('1', '2')), { maxLength: 3 })

export const requests: fc.Arbitrary<RouteRequest> = fc
  .record({
    host: fc.constantFrom('x', 'a.x', 'b.a.x', 'c.b.a.x', 'y'),
    path: fc.constantFrom(
      '/',
      '/a',
      '/a/',
      '/a/b',
      '/a/b/',
      '/a/b/c',
      '/a/c',
      '//b',
      '/c/b',
      '/a//',
      '/a/b/c/d',
      '/%40/x',
      '/@/x',
      '*',
    ),
    query: pairs(['q', 'r', 's']).map((list) => list.map(([name, value]) => `${name}=${value}`).join('&')),
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT'),
    headers: pairs(['h', 'i']),
    cookies: pairs(['c', 'd']),
  })
  .map(({ headers, cookies, ...rest }) => {
    const fields = new Fields(headers.flat())
    if (cookies.length > 0) fields.append('cookie', cookies.map(([name, value]) => `${name}=${value}`).join('; '))
    return { ...rest, fields }
  })
