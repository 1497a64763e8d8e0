import { bodyNeed } from '../hooks/scopes.ts'
import type { PluginCode, Scopes } from '../sandbox/plugin.ts'

/** What a plugin reads, writes and uses, or may: scopes as the host spells them, and grants. */
export interface Access extends Pick<Scopes, 'reads' | 'writes'> {
  readonly needs: readonly string[]
}

/** What a plugin asks for. The hooks that see a body pass need no scope, and read all of it. */
export function accessOf({ hooks, needs }: PluginCode['manifest'], { reads, writes }: Scopes): Access {
  const bodies: string[] = []
  if (hooks.includes('onRequestBody')) bodies.push('body')
  if (hooks.includes('onResponseBody')) bodies.push('response.body')
  return { reads: [...reads, ...bodies], writes, needs }
}

/** What a plugin asks for and is not allowed, in words. */
export function excessOf(asked: Access, allowed: Access): string[] {
  return [
    ...asked.reads.filter((scope) => !covers(allowed.reads, scope)).map((scope) => `read ${JSON.stringify(scope)}`),
    ...asked.writes.filter((scope) => !covers(allowed.writes, scope)).map((scope) => `write ${JSON.stringify(scope)}`),
    ...asked.needs.filter((grant) => !allowed.needs.includes(grant)).map((grant) => `use the grant "${grant}"`),
  ]
}

/** A wildcard covers each header, a whole part of a request its members, a body any smaller part of it. */
function covers(allowed: readonly string[], scope: string): boolean {
  if (allowed.includes(scope)) return true
  const family = scope.slice(0, scope.indexOf(':'))
  if (family === 'header' || family === 'response.header') return allowed.includes(`${family}:*`)
  // The whole query, or a whole body.
  if (allowed.includes(family)) return true
  if (family === 'cookie') return allowed.includes('header:cookie') || allowed.includes('header:*')
  const need = bodyNeed(scope)
  return (
    need !== undefined &&
    allowed.some((other) => {
      const most = bodyNeed(other)
      return most !== undefined && most.hook === need.hook && most.bytes >= need.bytes && (most.whole || !need.whole)
    })
  )
}
