import type { HookName } from '../../sdk/points.ts'
import { covers } from './overlap.ts'
import type { Policy } from './policy.ts'
import { fieldsOf } from './scopes.ts'

/**
 * Splits the policies of a hook, in the order in which they run, into segments: adjacent policies of one trust group that
 * may cross into the sandbox together, because none of them reads, or is triggered by, what an earlier one may write in this
 * hook. So their input can be read from the flow before the first of them runs, with the same result.
 *
 * @returns for each policy whether it belongs to the segment of the one before it.
 */
export function findSegments(hook: HookName, policies: readonly Policy[]): boolean[] {
  // Each policy gets the chunk as the one before it changed it; and in checkHealth each one has its own timeout.
  if (hook === 'onRequestBody' || hook === 'onResponseBody' || hook === 'checkHealth') return policies.map(() => false)
  let written: string[] = []
  return policies.map((policy, i) => {
    const reads = [...fieldsOf(hook, policy.scopes.reads), ...(policy.when?.reads ?? [])]
    const joins =
      // A body has to be held before it runs.
      policy.bodies[hook] === undefined &&
      policies[i - 1]?.group === policy.group &&
      // The upstream that was chosen decides which policies follow.
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

/** Whether the host accepts this write in this hook; elsewhere it refuses it. */
function isWrittenIn(hook: HookName, write: string): boolean {
  if (hook === 'onResponse') return write.startsWith('response.')
  if (hook === 'onRequest') return !write.startsWith('response.')
  return hook === 'onConnect' && write === 'upstream'
}
