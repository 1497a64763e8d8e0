import type { Fields } from './fields.ts'
import { NO_ALIAS, treatmentOfAlias } from './header-names.ts'

/**
 * What becomes of headers whose name has an underscore. Many backends (CGI, WSGI, PHP, Rack) hand `X-User` and `X_User` to
 * the application as one variable, so that a client could say what only the gateway may.
 */
export type Underscores = 'refuse' | 'drop' | 'pass'

/**
 * Drops the aliases of trusted headers and checks the other names with underscores. Where they pass, aliases go of every
 * field that the request has and of every one that a policy may write or remove.
 *
 * @param isWritten whether a policy that the request may meet can write the header of that name
 * @returns what is wrong, for the log; `undefined` when the request may go on
 */
export function screenUnderscores(
  fields: Fields,
  what: Underscores,
  isWritten: (name: string) => boolean,
): string | undefined {
  const { list } = fields
  for (let i = 0; i < list.length; i += 2) {
    if (list[i]!.indexOf('_') !== -1) return screenAll(fields, what, isWritten)
  }
  return undefined
}

function screenAll(fields: Fields, what: Underscores, isWritten: (name: string) => boolean): string | undefined {
  const names = new Set<string>()
  for (let i = 0; i < fields.list.length; i += 2) if (fields.list[i]!.includes('_')) names.add(fields.list[i]!)
  let problem: string | undefined
  for (const name of names) {
    const alias = name.replaceAll('_', '-')
    const isTrusted = (treatmentOfAlias(name) & NO_ALIAS) !== 0
    if (isTrusted || what === 'drop') fields.delete(name)
    else if (what === 'pass' && (fields.has(alias) || isWritten(alias))) fields.delete(name)
    else if (what === 'refuse') {
      problem ??= `the header name "${name}" has an underscore, which many backends read as a dash; set "underscores" of the listener to "pass" or "drop" to accept such requests`
    }
  }
  return problem
}
