import { cookie } from '../http/cookie.ts'
import type { Fields } from '../http/fields.ts'
import { withHead } from '../http/methods.ts'
import { parameter } from '../http/query.ts'
import type { MatchConfig } from './match.ts'

/** What routing looks at in a request: `Target` gives host, path and query. */
export interface RouteRequest {
  /** Lower case, without port. */
  readonly host: string
  readonly path: string
  /** Without the `?`. */
  readonly query: string
  readonly method: string
  readonly fields: Fields
}

/** One header, parameter or cookie that has to be there. */
export interface Condition {
  readonly name: string
  /** Exact value; `undefined`: whatever it is. */
  readonly value: string | undefined
}

/** What a match asks for beyond host and path. */
export interface Conditions {
  /** `undefined`: any. With `GET` in it, `HEAD` is too. */
  readonly methods: readonly string[] | undefined
  readonly headers: readonly Condition[]
  readonly query: readonly Condition[]
  readonly cookies: readonly Condition[]
}

/** Most routes of many have none: one object for all of them is in the cache whichever of 10,000 a request is for. */
const none: readonly Condition[] = []
const unconditional: Conditions = { methods: undefined, headers: none, query: none, cookies: none }

export function compileConditions(match: MatchConfig): Conditions {
  const { methods, headers, query, cookies } = match
  if (methods === undefined && headers === undefined && query === undefined && cookies === undefined)
    return unconditional
  return {
    methods: match.methods && withHead(match.methods),
    headers: conditionsOf(match.headers, (name) => name.toLowerCase()),
    query: conditionsOf(match.query),
    cookies: conditionsOf(match.cookies),
  }
}

/** Negative when `a` is more specific than `b`: methods given, then more headers, more parameters, more cookies. */
export function compareConditions(a: Conditions, b: Conditions): number {
  return (
    Number(b.methods !== undefined) - Number(a.methods !== undefined) ||
    b.headers.length - a.headers.length ||
    b.query.length - a.query.length ||
    b.cookies.length - a.cookies.length
  )
}

/**
 * Of a header that comes in several lines the joined value counts, of a parameter or cookie the first.
 */
export function meets(request: RouteRequest, { methods, headers, query, cookies }: Conditions): boolean {
  if (methods !== undefined && !methods.includes(request.method)) return false
  for (const condition of headers) if (!holds(request.fields.get(condition.name), condition)) return false
  for (const condition of query) if (!holds(parameter(request.query, condition.name), condition)) return false
  if (cookies.length === 0) return true
  const header = request.fields.get('cookie')
  if (header === undefined) return false
  for (const condition of cookies) if (!holds(cookie(header, condition.name), condition)) return false
  return true
}

function holds(found: string | undefined, { value }: Condition): boolean {
  return found !== undefined && (value === undefined || found === value)
}

function conditionsOf(
  wanted: Readonly<Record<string, string>> | undefined,
  spell: (name: string) => string = (name) => name,
): readonly Condition[] {
  if (wanted === undefined) return none
  return Object.entries(wanted).map(([name, value]) => ({
    name: spell(name),
    value: value === '*' ? undefined : value,
  }))
}
