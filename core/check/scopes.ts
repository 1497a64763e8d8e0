import type { When } from '../../sdk/when.ts'
import { normalizeScope } from '../hooks/scopes.ts'
import { fieldProblem } from '../http/field-problem.ts'
import type { Scopes } from '../sandbox/plugin.ts'
import { type Format, formats } from './formats.ts'
import { type CheckedEntries, normalizeTls } from './tls-trigger.ts'

/** Brings the scopes that a plugin declares to the host's spelling; `wrong` lists what is invalid in them. */
export function normalizeScopes(declared: Scopes): { scopes: Scopes; wrong: string[] } {
  const wrong: string[] = []
  const reads = normalize(declared.reads, false, (problem) => wrong.push(`declares an invalid read: ${problem}`))
  const writes = normalize(declared.writes, true, (problem) => wrong.push(`declares an invalid write: ${problem}`))
  for (const scope of writes) {
    const problem = writeProblem(scope)
    if (problem !== undefined) wrong.push(`declares a write that is not allowed: ${problem}`)
  }
  const when = declared.when && normalizeWhen(declared.when, (problem) => wrong.push(`has ${problem}`))
  return { scopes: { reads, writes, ...(when === undefined ? {} : { when }) }, wrong }
}

/** Written, and allowed to be read, as a whole; a read names its size, see `bodyNeed`. */
export const bodies: ReadonlySet<string> = new Set(['body', 'response.body'])

function normalize(scopes: readonly string[], isWrite: boolean, report: (problem: string) => void): string[] {
  const normal = new Set<string>()
  for (const text of scopes) {
    const scope = isWrite && bodies.has(text) ? { scope: text } : normalizeScope(text)
    if ('problem' in scope) report(scope.problem)
    else normal.add(scope.scope)
  }
  return [...normal]
}

function normalizeWhen({ methods, paths, headers, responseTypes, tls }: When, report: (problem: string) => void): When {
  const checked: CheckedEntries = (part, list, format) => {
    if (list.length === 0) report(`a trigger that never matches: when.${part} is empty; leave it out`)
    for (const entry of list) {
      const problem = format.problem(entry)
      if (problem !== undefined) report(`an invalid trigger: when.${part}: ${problem}`)
    }
    return [...new Set(list)]
  }
  return {
    ...(methods && { methods: checked('methods', methods, formats.method!) }),
    ...(paths && { paths: checked('paths', paths, formats['path-match']!) }),
    ...(headers && { headers: checked('headers', headers, formats.token!).map((name) => name.toLowerCase()) }),
    ...(responseTypes && {
      responseTypes: checked('responseTypes', responseTypes, mediaType).map((type) => type.toLowerCase()),
    }),
    ...(tls && { tls: normalizeTls(tls, checked, report) }),
  }
}

const mediaType: Format = {
  expected: 'a media type such as "application/json"',
  problem: (text) =>
    /^[\w!#$&^.+-]+\/(?:[\w!#$&^.+-]+|\*(?:\+[\w!#$&^.-]+)?)$/.test(text)
      ? undefined
      : `${JSON.stringify(text)} is not a media type; write one such as "application/json", "text/*" or "application/*+json"`,
}

function writeProblem(scope: string): string | undefined {
  if (bodies.has(scope) || scope === 'upstream' || scope === 'consumer') return undefined
  const [, name] = /^(?:response\.)?header:(.*)$/.exec(scope) ?? []
  if (name === undefined) return `"${scope}" is read-only`
  return name === '*' ? undefined : fieldProblem(name, '')
}
