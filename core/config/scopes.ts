import { normalizeScope } from '../hooks/fields.ts'
import { fieldProblem } from '../hooks/writes.ts'
import type { Scopes } from '../sandbox/plugin.ts'

/** Brings what a plugin declares to the host's spelling; `wrong` says what of it cannot be. */
export function normalizeScopes(declared: Scopes): { scopes: Scopes; wrong: string[] } {
  const wrong: string[] = []
  const reads = normalize(declared.reads, (problem) => wrong.push(`reads what is not there: ${problem}`))
  const writes = normalize(declared.writes, (problem) => wrong.push(`writes what is not there: ${problem}`))
  for (const scope of writes) {
    const problem = writeProblem(scope)
    if (problem !== undefined) wrong.push(`writes what no plugin may write: ${problem}`)
  }
  return { scopes: { reads, writes }, wrong }
}

function normalize(scopes: readonly string[], report: (problem: string) => void): string[] {
  const normal = new Set<string>()
  for (const text of scopes) {
    const scope = normalizeScope(text)
    if ('problem' in scope) report(scope.problem)
    else normal.add(scope.scope)
  }
  return [...normal]
}

function writeProblem(scope: string): string | undefined {
  if (scope === 'upstream' || scope === 'consumer') return undefined
  const [, name] = /^(?:response\.)?header:(.*)$/.exec(scope) ?? []
  if (name === undefined) return `"${scope}" is for reading only`
  return name === '*' ? undefined : fieldProblem(name, '')
}
