import type { HookName } from '../../sdk/points.ts'
import { covers } from './overlap.ts'
import type { Policy } from './policy.ts'
import { fieldsOf } from './scopes.ts'

/**
 * Cuts the policies of a hook, in the order in which they run, into segments: adjacent ones of one trust group that may
 * cross into it together, because none of them reads, or is triggered by, what an earlier one may write in this hook.
 * Their input can then be taken from the flow before the first of them runs, and it comes to the same.
 *
 * @returns for each policy whether it belongs to the segment of the one before it.
 */
export function findSegments(hook: HookName, policies: readonly Policy[]): boolean[] {
  // A chunk that one of them changed is what the next one is given; and each of them has its own time for a probe.
  if (hook === 'onRequestBody' || hook === 'onResponseBody' || hook === 'checkHealth') return policies.map(() => false)
  let written: string[] = []
  return policies.map((policy, i) => {
    const reads = [...fieldsOf(hook, policy.scopes.reads), ...(policy.when?.reads ?? [])]
    const joins =
      // Its body has to be held first.
      policy.bodies[hook] === undefined &&
      policies[i - 1]?.group === policy.group &&
      // Whoever chooses the upstream decides which policies there are behind it.
      !written.includes('upstream') &&
      !written.some((write) => reads.some((read) => meet(write, read)))
    const writes = policy.scopes.writes.filter((write) => isWrittenIn(hook, write))
    written = joins ? [...written, ...writes] : writes
    return joins
  })
}

function meet(write: string, read: string): boolean {
  return covers(write, read) || covers(read, write)
}

/** Elsewhere the host refuses it. */
function isWrittenIn(hook: HookName, write: string): boolean {
  if (hook === 'onResponse') return write.startsWith('response.')
  if (hook === 'onRequest') return !write.startsWith('response.')
  return hook === 'onConnect' && write === 'upstream'
}
