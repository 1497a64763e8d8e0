import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { connectionTable } from '../../core/route/connection-table.ts'
import type { MatchConfig } from '../../core/route/match.ts'
import type { Matchable } from '../../core/route/table.ts'
import file from '../cases/route/connection-table.json' with { type: 'json' }
import { atOnce } from '../helpers/at-once.ts'

interface Case {
  title: string
  routes: Record<string, MatchConfig>
  finds: { serverName?: string; route: string | null }[]
}

describe.each(file as unknown as Case[])('$title', ({ routes, finds }) => {
  const table = atOnce(connectionTable(Object.entries(routes).map(([name, match]) => ({ name, match }))))
  test.each(finds)('%j', ({ serverName, route }) => {
    expect(table.find({ serverName })?.name ?? null).toBe(route)
  })
})

const label = fc.constantFrom('a', 'b', 'A', 'x')
const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const routeHost = fc.oneof(
  fc.constant(undefined),
  host,
  host.map((name) => `*.${name}`),
)
const routeSets = fc
  .array(routeHost, { maxLength: 12 })
  .map((hosts) =>
    hosts.map((host, index): Matchable => ({ name: `r${index}`, match: host === undefined ? {} : { host } })),
  )

/** How specific a route is for a server name; `undefined`: it does not match. */
function specificity({ match: { host } }: Matchable, serverName: string | undefined): number | undefined {
  if (host === undefined) return 0
  const name = serverName?.toLowerCase()
  const wanted = host.toLowerCase()
  if (name === wanted) return 1_000
  const matches = wanted.startsWith('*.') && name?.endsWith(wanted.slice(1)) && name.length > wanted.length - 1
  return matches ? wanted.length : undefined
}

test('the answer is that of the plain definition, in any order of the routes', () => {
  const shuffled = routeSets.chain((routes) =>
    fc.tuple(fc.constant(routes), fc.shuffledSubarray(routes, { minLength: routes.length })),
  )
  fc.assert(
    fc.property(shuffled, fc.option(host, { nil: undefined }), ([routes, others], serverName) => {
      const [best] = routes
        .filter((route) => specificity(route, serverName) !== undefined)
        .sort((a, b) => specificity(b, serverName)! - specificity(a, serverName)! || (a.name < b.name ? -1 : 1))
      expect(atOnce(connectionTable(routes)).find({ serverName })).toBe(best)
      expect(atOnce(connectionTable(others)).find({ serverName })).toBe(best)
    }),
    { numRuns: 2_000 },
  )
})
