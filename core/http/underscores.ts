import type { Fields } from './fields.ts'

/**
 * What becomes of headers whose name has an underscore. Many backends (CGI, WSGI, PHP, Rack) hand `X-User` and `X_User` to
 * the application as one variable, so that a client could say what only the gateway may.
 */
export type Underscores = 'refuse' | 'drop' | 'pass'

/** Names that a backend believes because the gateway sets them, or that say where a message ends. */
const trusted: ReadonlySet<string> = new Set([
  ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-real-ip', 'x-request-id'],
  ...['content-length', 'transfer-encoding', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'max-forwards'],
])

/**
 * Drops the aliases of trusted headers, and judges the other names with underscores.
 *
 * @returns what is wrong, for the log; `undefined` when the request may go on
 */
export function screenUnderscores(fields: Fields, what: Underscores): string | undefined {
  const { list } = fields
  for (let i = 0; i < list.length; i += 2) if (list[i]!.indexOf('_') !== -1) return screenAll(fields, what)
  return undefined
}

function screenAll(fields: Fields, what: Underscores): string | undefined {
  remove(fields, (name) => what === 'drop' || trusted.has(dashed(name)))
  if (what !== 'refuse') return undefined
  for (let i = 0; i < fields.list.length; i += 2) {
    const name = fields.list[i]!
    if (!name.includes('_')) continue
    return `the header name "${name}" has an underscore, which many backends take for a dash; "underscores" of the listener lets such headers through ("pass") or leaves them out ("drop")`
  }
  return undefined
}

/**
 * Drops the aliases of what the gateway and the policies say to the backend: of every field that is there, and of every
 * one that a policy of the chain may write or remove. For listeners that let underscores pass, once the policies are done.
 */
/** @param isWritten whether a policy may write or remove the header of that name */
export function dropAliases(fields: Fields, isWritten: (name: string) => boolean): void {
  remove(fields, (name) => {
    const alias = dashed(name)
    return fields.has(alias) || isWritten(alias)
  })
}

function remove(fields: Fields, isWrong: (name: string) => boolean): void {
  const names = new Set<string>()
  for (let i = 0; i < fields.list.length; i += 2) if (fields.list[i]!.includes('_')) names.add(fields.list[i]!)
  for (const name of names) if (isWrong(name)) fields.delete(name)
}

function dashed(name: string): string {
  return name.replaceAll('_', '-')
}
