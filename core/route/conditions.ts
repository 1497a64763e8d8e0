import { cookie } from '../http/cookie.ts'
import { isAscii, textOf } from '../http/field-text.ts'
import type { Fields } from '../http/fields.ts'
import { withHead } from '../http/methods.ts'
import { parameter } from '../http/query.ts'
import type { MatchConfig } from './match.ts'

/** The parts of a request that routing uses. Host, path and query come from its `Target`. */
export interface RouteRequest {
  /** Lower case, without port. */
  readonly host: string
  readonly path: string
  /** Without the `?`. */
  readonly query: string
  readonly method: string
  readonly fields: Fields
}

/** One header, parameter or cookie that a request must have. */
export interface Condition {
  readonly name: string
  /** Exact text; `undefined`: any value. */
  readonly value: string | undefined
  /** Whether it is ASCII, and so the same as the bytes of a header. */
  readonly isAscii: boolean
}

/** The parts of a match besides host and path. */
export interface Conditions {
  /** `undefined`: any method. A list with `GET` also has `HEAD`. */
  readonly methods: readonly string[] | undefined
  readonly headers: readonly Condition[]
  readonly query: readonly Condition[]
  readonly cookies: readonly Condition[]
}

/**
 * Most routes have no conditions. They share one object, which stays in the CPU's cache whichever of 10,000 routes is
 * used.
 */
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

/** Negative when `a` is more specific than `b`: it has methods, or else more headers, more parameters, more cookies. */
export function compareConditions(a: Conditions, b: Conditions): number {
  return (
    Number(b.methods !== undefined) - Number(a.methods !== undefined) ||
    b.headers.length - a.headers.length ||
    b.query.length - a.query.length ||
    b.cookies.length - a.cookies.length
  )
}

/**
 * Whether a request meets all conditions. The lines of a header are joined; of a parameter or cookie the first one
 * counts.
 */
export function meets(request: RouteRequest, { methods, headers, query, cookies }: Conditions): boolean {
  if (methods !== undefined && !methods.includes(request.method)) return false
  for (const condition of headers) if (!holdsFor(request.fields.get(condition.name), condition)) return false
  for (const condition of query) if (!holds(parameter(request.query, condition.name), condition)) return false
  if (cookies.length === 0) return true
  const header = request.fields.get('cookie')
  if (header === undefined) return false
  for (const condition of cookies) if (!holdsFor(cookie(header, condition.name), condition)) return false
  return true
}

/** For bytes of a header. */
function holdsFor(found: string | undefined, condition: Condition): boolean {
  return holds(found === undefined || condition.isAscii ? found : textOf(found), condition)
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
    isAscii: isAscii(value),
  }))
}
