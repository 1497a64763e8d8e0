import type { When } from '../../sdk/when.ts'
import { withHead } from '../http/methods.ts'
import { pathKey, pathPattern } from '../route/pattern.ts'
import type { FlowFacts, ResponseView } from './scopes.ts'
import { compileTlsTrigger } from './when-tls.ts'

/** The compiled trigger (`when`) of a policy: whether its hooks run for a flow. */
export interface CompiledWhen {
  /**
   * Checks the connection, and the request in its current state, so it is called at the policy's turn and not before. Where
   * there is no request, on L4 and in `onConnect`, only the connection counts.
   */
  matches(flow: FlowFacts): boolean
  /** Whether its response types include that of the response. True without a response. */
  takesResponse(response: ResponseView | undefined): boolean
  /** Whether its methods include this one. */
  takesMethod(method: string): boolean
  /** Whether its paths include this one. @param path percent-decoded. */
  takesPath(path: string): boolean
  /** The scopes that the results depend on: `method`, `path`, `header:<name>`, `response.header:content-type`, `tls.…`. Writing one of them may change the result. */
  readonly reads: readonly string[]
}

/** @param when normalised: methods and paths are valid, header names in lower case, no list is empty. */
export function compileWhen({ methods, paths, headers, responseTypes, tls: tlsTrigger }: When): CompiledWhen {
  const verbs = methods && new Set(withHead(methods))
  const goals = paths?.map((path) => pathPattern({ path }))
  const exact = goals && new Set(goals.filter(({ kind }) => kind === 'exact').map(({ text }) => text))
  const prefixes = goals?.filter(({ kind }) => kind !== 'exact').map(({ text }) => text)
  const types = responseTypes?.map((type) => type.split('*'))
  const connection = tlsTrigger && compileTlsTrigger(tlsTrigger)
  const takesMethod = (method: string): boolean => verbs === undefined || verbs.has(method)
  const takesPath = (path: string): boolean =>
    exact === undefined || exact.has(path) || prefixes!.some((prefix) => path.startsWith(prefix))
  return {
    matches: ({ request, tls }) => {
      if (connection !== undefined && !connection.matches(tls)) return false
      if (request === undefined) return true
      if (!takesMethod(request.method)) return false
      if (headers !== undefined && !headers.some((name) => request.fields.has(name))) return false
      if (exact === undefined) return true
      // A policy that protects a path must run for every target that a backend might read as that path.
      return request.interpretations === undefined
        ? takesPath(pathKey(request.path))
        : request.interpretations.some(takesPath)
    },
    takesResponse: (response) => {
      if (types === undefined || response === undefined) return true
      const [, type = ''] = /^\s*([^\s;,]+)/.exec(response.fields.get('content-type') ?? '') ?? []
      const name = type.toLowerCase()
      return types.some(([start = '', end]) => {
        return end === undefined ? name === start : name.startsWith(start) && name.slice(start.length).endsWith(end)
      })
    },
    takesMethod,
    takesPath,
    reads: [
      ...(methods === undefined ? [] : ['method']),
      ...(paths === undefined ? [] : ['path']),
      ...(headers ?? []).map((name) => `header:${name}`),
      ...(responseTypes === undefined ? [] : ['response.header:content-type']),
      ...(connection?.reads ?? []),
    ],
  }
}
