import { PosternError } from '../errors.ts'
import type { HttpVersion } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { registeredMethods } from '../http/methods.ts'
import { hazardIn, interpretationsOf } from './interpretations.ts'
import { type PathException, unnamedSpelling } from './path-exceptions.ts'
import type { RouteTable } from './table.ts'
import { parseTarget, type Target } from './target.ts'

/** What `locate` needs to know about a route. */
export interface Locatable {
  readonly config: { readonly pathExceptions: readonly PathException[] }
}

/** What `locate` needs to know about a policy. */
export interface Judge {
  readonly name: string
  readonly scopes: { readonly reads: readonly string[] }
  readonly when?: { takesPath(path: string): boolean; takesMethod(method: string): boolean }
}

/** The routes of a listener, and their policies. */
export interface Routing<R> {
  readonly routes: RouteTable<R>
  /** Every policy that a request on the route can meet. */
  policiesOf(route: R): readonly Judge[]
}

/** The parts of a request that are located. */
export interface Locating {
  readonly method: string
  readonly rawTarget: string
  readonly version: HttpVersion
  readonly fields: Fields
}

/** The target of a request, and its route, if one matches. */
export interface Located<R> {
  readonly target: Target
  readonly route: R | undefined
}

const http = ['http']
const https = ['https']
const both = ['http', 'https']

/**
 * Reads the target of a request and looks up its route.
 *
 * A request is served only if everything that a backend may read in it leads to the same route and the same policies. So it
 * never bypasses a route or a policy, whichever interpretation the backend uses. This concerns paths that are not plain
 * (`PN`), and methods that some servers turn into capital letters (`DPE`).
 *
 * @param client its scheme, and whether the peer is trusted: a proxy that terminates TLS may send both schemes.
 */
export function locate<R extends Locatable>(
  routing: Routing<R>,
  request: Locating,
  client: { readonly scheme: 'http' | 'https'; readonly trusted: boolean },
): Located<R> | PosternError {
  const { method, rawTarget, version, fields } = request
  const schemes = client.trusted ? both : client.scheme === 'http' ? http : https
  const target = parseTarget({ method, raw: rawTarget, hosts: fields.all('host'), version, schemes })
  if ('problem' in target) {
    // RFC 9110 §15.6.2: 501 is for a method that the gateway supports for no resource.
    return new PosternError(target.code, target.problem, method === 'CONNECT' ? { status: 501 } : {})
  }
  const { host, path, query } = target
  const located = target.isPlain
    ? { target, route: routing.routes.find({ host, path, query, method, fields }) }
    : locateEveryPath(routing, request, target)
  if (registeredMethods.has(method) || located instanceof PosternError) return located
  return methodProblem(routing, request, located) ?? located
}

function locateEveryPath<R extends Locatable>(
  { routes, policiesOf }: Routing<R>,
  { method, fields }: Locating,
  target: Target,
): Located<R> | PosternError {
  const { host, query, full, hasQuery } = target
  const path = hasQuery ? full.slice(0, full.indexOf('?')) : full
  if (path.includes('\\')) return new PosternError('PN', 'the path has a "\\"')
  const interpretations = interpretationsOf(path)
  if (typeof interpretations === 'string') return new PosternError('PN', interpretations)
  // The table decodes paths, but an interpretation is already decoded.
  const find = (interpretation: string): R | undefined =>
    routes.find({ host, path: interpretation.replaceAll('%', '%25'), query, method, fields })
  const route = find(interpretations[0]!)
  // A server that takes what follows an encoded question mark for the query may look for parameters there.
  const findByQuery = (interpretation: string): R | undefined => {
    const [, path, query] = /^([^?#]*)\?([^#]*)/.exec(interpretation.replaceAll('%', '%25')) ?? []
    return path === undefined ? route : routes.find({ host, path, query: query!, method, fields })
  }
  const named = route?.config.pathExceptions ?? []
  const hazard = hazardIn(interpretations, named)
  if (hazard !== undefined) return disagree(`which has ${hazard.what}`, hazard.where, hazard.exception)
  const other = interpretations.find(
    (interpretation) => find(interpretation) !== route || findByQuery(interpretation) !== route,
  )
  if (other !== undefined) return disagree('which is not for the same route', other)
  const spelling = route === undefined || interpretations.length === 1 ? undefined : unnamedSpelling(path, named)
  if (route === undefined || spelling === undefined) return { target: { ...target, interpretations }, route }
  for (const { name, scopes, when } of policiesOf(route)) {
    if (scopes.reads.includes('path')) {
      const where = interpretations.at(-1)!
      return disagree(`and policy ${JSON.stringify(name)} judges it only as it was sent`, where, spelling)
    }
    const runs = when?.takesPath(interpretations[0]!)
    const where = interpretations.find((interpretation) => when?.takesPath(interpretation) !== runs)
    if (where !== undefined)
      return disagree(`which decides whether policy ${JSON.stringify(name)} runs`, where, spelling)
  }
  return { target: { ...target, interpretations }, route }
}

function disagree(why: string, where: string, exception?: PathException): PosternError {
  const remedy = exception === undefined ? '' : `; a route takes it with "${exception}" in its "pathExceptions"`
  return new PosternError('PN', `the path may be read as ${JSON.stringify(where)}, ${why}${remedy}`)
}

/**
 * Why a method is refused that some servers take for a registered one, because they ignore case. `head` and `connect` are
 * always refused: what follows their heads would be read in two ways.
 */
function methodProblem<R extends Locatable>(
  { routes, policiesOf }: Routing<R>,
  { method, fields }: Locating,
  { target: { host, path, query }, route }: Located<R>,
): PosternError | undefined {
  const capital = method.toUpperCase()
  if (!registeredMethods.has(capital)) return undefined
  const refuse = (why: string): PosternError =>
    new PosternError('DPE', `the method "${method}" may be read as "${capital}", ${why}`)
  if (capital === 'HEAD' || capital === 'CONNECT') return refuse('whose messages end in another way')
  if (routes.find({ host, path, query, method: capital, fields }) !== route)
    return refuse('which is not for the same route')
  const judge = (route === undefined ? [] : policiesOf(route)).find(({ scopes, when }) => {
    return scopes.reads.includes('method') || when?.takesMethod(method) !== when?.takesMethod(capital)
  })
  return judge && refuse(`and policy ${JSON.stringify(judge.name)} judges it by its method`)
}
