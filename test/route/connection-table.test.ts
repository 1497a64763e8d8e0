import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findConnectionConflicts } from '../../core/route/connection-conflicts.ts'
import { type ConnectionRequest, connectionTable } from '../../core/route/connection-table.ts'
import type { MatchConfig } from '../../core/route/match.ts'
import type { Matchable } from '../../core/route/table.ts'
import file from '../cases/route/connection-table.json' with { type: 'json' }
import { atOnce } from '../helpers/at-once.ts'

interface Case {
  title: string
  routes: Record<string, MatchConfig>
  finds: { serverName?: string; alpn?: string[]; source?: string; route: string | null }[]
}

describe.each(file as unknown as Case[])('$title', ({ routes, finds }) => {
  const table = atOnce(connectionTable(Object.entries(routes).map(([name, match]) => ({ name, match }))))
  test.each(finds)('%j', ({ serverName, alpn = [], source = '192.0.2.1', route }) => {
    expect(table.find({ serverName, alpn, source })?.name ?? null).toBe(route)
  })
})

const label = fc.constantFrom('a', 'b', 'A', 'x')
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const protocols = fc.uniqueArray(fc.constantFrom('h2', 'mqtt', 'x'), { minLength: 1 })
const address = fc
  .tuple(fc.constantFrom('10.0', '10.128', '11.0'), fc.constantFrom('0.0', '0.1', '255.255'))
  .map(([a, b]) => `${a}.${b}`)
const range = fc.tuple(address, fc.constantFrom(0, 7, 8, 9, 16, 31, 32)).map(([one, length]) => `${one}/${length}`)

const match: fc.Arbitrary<MatchConfig> = fc.record(
  {
    serverName: fc.oneof(
      name,
      name.map((text) => `*.${text}`),
    ),
    alpn: protocols,
    source: fc.uniqueArray(range, { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: [] },
)
const routeSets = fc
  .array(match, { maxLength: 12 })
  .map((all) => all.map((one, rank): Matchable => ({ name: `r${rank}`, match: one, rank })))

const request: fc.Arbitrary<ConnectionRequest> = fc.record({
  serverName: fc.option(name, { nil: undefined }),
  alpn: fc.oneof(fc.constant([]), protocols),
  source: address,
})

function numberOf(ip: string): number {
  return ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

/** Length of the longest prefix of a route that holds the address; -1: the route has none; `undefined`: none does. */
function prefixOf(source: readonly string[] | undefined, ip: string): number | undefined {
  if (source === undefined) return -1
  const lengths = source.flatMap((text) => {
    const [first, length] = text.split('/') as [string, string]
    const size = 2 ** (32 - Number(length))
    return Math.floor(numberOf(first) / size) === Math.floor(numberOf(ip) / size) ? [Number(length)] : []
  })
  return lengths.length === 0 ? undefined : Math.max(...lengths)
}

/** How specific a route is for a connection, part by part; `undefined`: it does not match. */
function specificity({ match }: Matchable, { serverName, alpn, source }: ConnectionRequest): number[] | undefined {
  const prefix = prefixOf(match.source, source)
  if (prefix === undefined) return undefined
  if (match.alpn !== undefined && !match.alpn.some((one) => alpn.includes(one))) return undefined
  const rest = [match.alpn === undefined ? 0 : 1, prefix]
  if (match.serverName === undefined) return [0, ...rest]
  const wanted = match.serverName.toLowerCase()
  const own = serverName?.toLowerCase()
  if (own === wanted) return [1_000, ...rest]
  const isBelow = wanted.startsWith('*.') && own?.endsWith(wanted.slice(1)) && own.length > wanted.length - 1
  return isBelow ? [wanted.length, ...rest] : undefined
}

function naive(routes: readonly Matchable[], wanted: ConnectionRequest): Matchable[] {
  const all = routes.flatMap((route) => {
    const parts = specificity(route, wanted)
    return parts === undefined ? [] : [{ route, key: parts.map((part) => String(part + 1).padStart(5, '0')).join() }]
  })
  const best = all
    .map(({ key }) => key)
    .sort()
    .at(-1)
  return all.filter(({ key }) => key === best).map(({ route }) => route)
}

test('the answer is that of the plain definition, in any order of the routes', () => {
  const shuffled = routeSets.chain((routes) =>
    fc.tuple(fc.constant(routes), fc.shuffledSubarray(routes, { minLength: routes.length })),
  )
  fc.assert(
    fc.property(shuffled, request, ([routes, others], wanted) => {
      const [best] = naive(routes, wanted)
      expect(atOnce(connectionTable(routes)).find(wanted)).toBe(best)
      expect(atOnce(connectionTable(others)).find(wanted)).toBe(best)
    }),
    { numRuns: 2_000 },
  )
})

test('whatever only the order decides is a conflict, and one that is covered never serves', () => {
  fc.assert(
    fc.property(routeSets, request, (routes, wanted) => {
      const conflicts = findConnectionConflicts(routes)
      const [first, ...equal] = naive(routes, wanted)
      const reported = new Set(conflicts.map(({ b }) => b))
      expect(equal.filter(({ name }) => !reported.has(name))).toEqual([])
      const unused = conflicts.flatMap(({ b, kind }) => (kind === 'overlap' ? [] : [b]))
      expect(unused).not.toContain(first?.name)
    }),
    { numRuns: 2_000 },
  )
})

test('a look-up among 10,000 routes takes about as long as among ten', () => {
  const time = (count: number): number => {
    const routes = Array.from({ length: count }, (_, index): Matchable => {
      const own = `${index >> 8}.${index & 255}`
      const kinds: MatchConfig[] = [
        { serverName: `n${index}.example.com` },
        { serverName: `*.n${index}.example.com`, source: [`10.${own}.0/24`] },
        { serverName: 'all.example.com', source: [`10.${own}.0/24`] },
        { serverName: 'all.example.com', alpn: [`p${index}`] },
      ]
      return { name: `r${index}`, match: kinds[index % 4]! }
    })
    const table = atOnce(connectionTable(routes))
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 7; round++) {
      const since = performance.now()
      for (let i = 0; i < 2_000; i++) {
        table.find({ serverName: 'all.example.com', alpn: ['h2', 'p3'], source: '10.0.2.9' })
        table.find({ serverName: `x.n${i % count}.example.com`, alpn: [], source: '10.0.1.9' })
      }
      best = Math.min(best, performance.now() - since)
    }
    return best
  }
  expect(time(10_000) / time(8)).toBeLessThan(5)
})
