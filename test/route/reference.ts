import type { RouteRequest } from '../../core/route/conditions.ts'
import type { MatchConfig } from '../../core/route/match.ts'
import type { Matchable } from '../../core/route/table.ts'

/** Routing as the manual tells it, with no thought of speed: all that match, the most specific first. */
export function allThatMatch(routes: readonly Matchable[], request: RouteRequest): Matchable[] {
  return routes.filter(({ match }) => matches(match, request)).sort((a, b) => compare(a.match, b.match))
}

/** Negative when `a` is more specific. */
export function compare(a: MatchConfig, b: MatchConfig): number {
  const left = rank(a)
  const right = rank(b)
  for (const [index, value] of left.entries()) if (value !== right[index]) return right[index]! - value
  return 0
}

function rank({ host, path, methods, headers, query, cookies }: MatchConfig): number[] {
  const count = (wanted: object | undefined): number => Object.keys(wanted ?? {}).length
  return [
    host === undefined ? 0 : host.startsWith('*') ? host.length : 1000,
    path === undefined ? 0 : path.endsWith('/*') ? decodeURIComponent(path).length : 1000,
    methods === undefined ? 0 : 1,
    count(headers),
    count(query),
    count(cookies),
  ]
}

function matches(match: MatchConfig, { host, path, query, method, fields }: RouteRequest): boolean {
  const { methods } = match
  const decoded = decodeURIComponent(path)
  if (match.host !== undefined && !hostMatches(match.host.toLowerCase(), host)) return false
  if (match.path !== undefined && !pathMatches(decodeURIComponent(match.path), decoded)) return false
  if (methods && !methods.includes(method) && !(method === 'HEAD' && methods.includes('GET'))) return false
  const parameters = new URLSearchParams(query)
  const cookies = new URLSearchParams(fields.get('cookie')?.replaceAll('; ', '&') ?? '')
  return (
    holds(match.headers, (name) => fields.get(name.toLowerCase())) &&
    holds(match.query, (name) => parameters.get(name) ?? undefined) &&
    holds(match.cookies, (name) => cookies.get(name) ?? undefined)
  )
}

function hostMatches(wanted: string, host: string): boolean {
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) && host.length >= wanted.length : wanted === host
}

function pathMatches(wanted: string, path: string): boolean {
  return wanted.endsWith('/*') ? path.startsWith(wanted.slice(0, -1)) : wanted === path
}

function holds(
  wanted: Readonly<Record<string, string>> | undefined,
  find: (name: string) => string | undefined,
): boolean {
  return Object.entries(wanted ?? {}).every(([name, value]) => {
    const found = find(name)
    return found !== undefined && (value === '*' || value === found)
  })
}
