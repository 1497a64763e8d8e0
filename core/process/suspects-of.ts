import type { GuardedCall } from '../sandbox/guard.ts'

/**
 * Who may be to blame for a crossing that did not end: the call in this place, or, when the place names none, one call of
 * each policy and hook.
 */
export function suspectsOf(calls: readonly (GuardedCall | undefined)[], place: number): GuardedCall[] {
  const culprit = calls[place]
  if (culprit !== undefined) return [culprit]
  const suspects = new Map<string, GuardedCall>()
  for (const call of calls) {
    if (call === undefined) continue
    const key = JSON.stringify([call.hash, call.policy, call.hook])
    if (!suspects.has(key)) suspects.set(key, call)
  }
  return [...suspects.values()]
}
