import { PosternError } from '../errors.ts'
import { withHead } from '../http/methods.ts'
import type { RouteRequest } from './conditions.ts'
import type { Matchable, RouteTable } from './table.ts'

/**
 * The error for a request that no route matches: 405 with `Allow` where only its method is in the way (RFC 9110 §15.5.6),
 * else 404. The message names the routes that nearly matched.
 */
export function noRoute<R extends Matchable>(routes: RouteTable<R>, request: RouteRequest): PosternError {
  const { method, host, path } = request
  const { otherMethods, otherSlash } = routes.nearMiss(request)
  const what = `no route for ${method} ${host}${path}`
  if (otherMethods.length > 0) {
    const takes = otherMethods.map(
      ({ name, match }) => `route ${JSON.stringify(name)} takes ${match.methods?.join(', ')}`,
    )
    const allow = [...new Set(otherMethods.flatMap(({ match }) => withHead(match.methods ?? [])))].join(', ')
    return new PosternError('NR', `${what}; ${takes.join(', ')} there`, { status: 405, headers: [['allow', allow]] })
  }
  if (otherSlash === undefined) return new PosternError('NR', what)
  const { name, match } = otherSlash
  const has = `route ${JSON.stringify(name)} has ${JSON.stringify(match.path)}, which does not include ${JSON.stringify(path)}`
  return new PosternError('NR', `${what}; ${has}`)
}
