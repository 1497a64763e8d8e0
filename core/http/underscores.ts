import type { Fields } from './fields.ts'
import { isAliasTreated, NO_ALIAS } from './header-names.ts'

/**
 * What happens to headers whose name has an underscore. Many backends (CGI, WSGI, PHP, Rack) give `X-User` and `X_User` to
 * the application as one variable, so that a client could set a header that only the gateway may set.
 */
export type Underscores = 'refuse' | 'drop' | 'pass'

/**
 * Drops the aliases of trusted headers (`NO_ALIAS`) and checks the other names with underscores. With `pass`, it also drops
 * aliases of every field that the request has and of every field that a route matches or a policy reads, writes or removes.
 *
 * @param isUsed whether a route or policy that the request may meet uses the header of that name
 * @returns why the request is refused, for the log; `undefined` when it is accepted
 */
export function screenUnderscores(
  fields: Fields,
  what: Underscores,
  isUsed: (name: string) => boolean,
): string | undefined {
  const { list } = fields
  for (let i = 0; i < list.length; i += 2) {
    if (list[i]!.indexOf('_') !== -1) return screenAll(fields, what, isUsed)
  }
  return undefined
}

function screenAll(fields: Fields, what: Underscores, isUsed: (name: string) => boolean): string | undefined {
  const names = new Set<string>()
  for (let i = 0; i < fields.list.length; i += 2) if (fields.list[i]!.includes('_')) names.add(fields.list[i]!)
  let problem: string | undefined
  for (const name of names) {
    const alias = name.replaceAll('_', '-')
    const isTrusted = isAliasTreated(name, NO_ALIAS)
    if (isTrusted || what === 'drop') fields.delete(name)
    else if (what === 'pass' && (fields.has(alias) || isUsed(alias))) fields.delete(name)
    else if (what === 'refuse') {
      problem ??= `the header name "${name}" has an underscore, which many backends read as a dash; set "underscores" of the listener to "pass" or "drop" to accept such requests`
    }
  }
  return problem
}
