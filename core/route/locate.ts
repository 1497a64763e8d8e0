import { PosternError } from '../errors.ts'
import type { Fields } from '../http/fields.ts'
import { interpretationsOf, literalOf } from './interpretations.ts'
import { bitsOf, everyException, type PathException } from './path-exceptions.ts'
import type { RouteTable } from './table.ts'
import { parseTarget, type Target } from './target.ts'

/** What `locate` needs to know about a route. */
export interface Locatable {
  readonly config: { readonly pathExceptions: readonly PathException[] }
}

/** The target of a request, and its route, if one matches. */
export interface Located<R> {
  readonly target: Target
  readonly route: R | undefined
}

/**
 * Reads the target of a request and looks up its route.
 *
 * A path with more than one interpretation is refused (`PN`), unless its route allows it (`pathExceptions`) and every
 * interpretation leads to this very route. So it never bypasses another route, whichever interpretation the backend
 * uses.
 *
 * @param scheme the one that the client used
 */
export function locate<R extends Locatable>(
  routes: RouteTable<R>,
  request: { readonly method: string; readonly rawTarget: string; readonly fields: Fields },
  scheme: 'http' | 'https',
): Located<R> | PosternError {
  const { method, rawTarget, fields } = request
  const target = parseTarget(method, rawTarget, fields.all('host'), scheme)
  if (!('problem' in target)) {
    const { host, path, query } = target
    return { target, route: routes.find({ host, path, query, method, fields }) }
  }
  if (target.code === 'PN') return except(routes, request, scheme, target.problem)
  // RFC 9110 §15.6.2: 501 is for a method that the gateway supports for no resource.
  return new PosternError(target.code, target.problem, method === 'CONNECT' ? { status: 501 } : {})
}

function except<R extends Locatable>(
  routes: RouteTable<R>,
  { method, rawTarget, fields }: { readonly method: string; readonly rawTarget: string; readonly fields: Fields },
  scheme: 'http' | 'https',
  problem: string,
): Located<R> | PosternError {
  const hosts = fields.all('host')
  const lenient = parseTarget(method, rawTarget, hosts, scheme, everyException)
  if ('problem' in lenient) return new PosternError('PN', problem)
  const { host, query } = lenient
  // The table decodes paths, but an interpretation is already decoded.
  const find = (interpretation: string): R | undefined =>
    routes.find({ host, path: interpretation.replaceAll('%', '%25'), query, method, fields })
  const route = find(literalOf(lenient.path))
  const allowed = route === undefined ? 0 : bitsOf(route.config.pathExceptions)
  const target = allowed === 0 ? undefined : parseTarget(method, rawTarget, hosts, scheme, allowed)
  if (route === undefined || target === undefined) return new PosternError('PN', problem)
  if ('problem' in target) return new PosternError('PN', target.problem)
  const interpretations = interpretationsOf(target.path)
  if (typeof interpretations === 'string') return new PosternError('PN', interpretations)
  const other = interpretations.find((interpretation) => find(interpretation) !== route)
  if (other === undefined) return { target: { ...target, interpretations }, route }
  return new PosternError('PN', `the path may be read as ${JSON.stringify(other)}, which is not for the same route`)
}
