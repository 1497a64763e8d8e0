import type { When } from '../../sdk/when.ts'
import { withHead } from '../http/methods.ts'
import { pathKey, pathPattern } from '../route/pattern.ts'
import type { FlowFacts } from './scopes.ts'

/** The static trigger of a policy, compiled: whether its hooks have anything to do for a flow. */
export interface CompiledWhen {
  /**
   * Judges the request as it stands now, so it is asked at the policy's turn and not before. True where there is no
   * request: on L4, and in `onConnect`.
   */
  matches(flow: FlowFacts): boolean
  /** The scopes that the verdict depends on: `method`, `path`, `header:<name>`. What writes one of them decides it. */
  readonly reads: readonly string[]
}

/** `when` is normalised: methods and paths are sound, header names in lower case, no list is empty. */
export function compileWhen({ methods, paths, headers }: When): CompiledWhen {
  const verbs = methods && new Set(withHead(methods))
  const goals = paths?.map((path) => pathPattern({ path }))
  const exact = goals && new Set(goals.filter(({ kind }) => kind === 'exact').map(({ text }) => text))
  const prefixes = goals?.filter(({ kind }) => kind !== 'exact').map(({ text }) => text)
  return {
    matches: ({ request }) => {
      if (request === undefined) return true
      if (verbs !== undefined && !verbs.has(request.method)) return false
      if (headers !== undefined && !headers.some((name) => request.fields.has(name))) return false
      if (exact === undefined || prefixes === undefined) return true
      const isMeant = (key: string): boolean => exact.has(key) || prefixes.some((prefix) => key.startsWith(prefix))
      // A policy that guards a path guards whatever a backend might take for it.
      return request.interpretations === undefined
        ? isMeant(pathKey(request.path))
        : request.interpretations.some(isMeant)
    },
    reads: [
      ...(methods === undefined ? [] : ['method']),
      ...(paths === undefined ? [] : ['path']),
      ...(headers ?? []).map((name) => `header:${name}`),
    ],
  }
}
