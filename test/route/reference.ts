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
    ...rankOfPath(path),
    methods === undefined ? 0 : 1,
    count(headers),
    count(query),
    count(cookies),
  ]
}

/** Exact, exact with captures, prefix by its segments, any; then where the first literal segment is. */
function rankOfPath(path: string | undefined): number[] {
  if (path === undefined) return [0, 0, 0, 0, 0, 0]
  const segments = path.replace(/\/\*$/, '').split('/').slice(1)
  const literal = [0, 1, 2, 3].map((index) => (segments[index] === undefined || isCapture(segments[index]) ? 0 : 1))
  if (path.endsWith('/*')) return [1, segments.length, ...literal]
  return segments.some(isCapture) ? [2, 0, ...literal] : [3, 0, 0, 0, 0, 0]
}

function isCapture(segment: string): boolean {
  return segment.startsWith('{')
}

function matches(match: MatchConfig, { host, path, query, method, fields }: RouteRequest): boolean {
  const { methods } = match
  const decoded = decodeURIComponent(path)
  if (match.host !== undefined && !hostMatches(match.host.toLowerCase(), host)) return false
  if (match.path !== undefined && !pathMatches(match.path, decoded)) return false
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
  const literal = (text: string): string =>
    decodeURIComponent(text).replace(/[^\w/]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const parts = wanted.replace(/\/\*$/, '/').split(/\{\w+\}/)
  const form = parts.map(literal).join('[^/]+')
  return new RegExp(`^${form}${wanted.endsWith('/*') ? '' : '$'}`, 's').test(path)
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
