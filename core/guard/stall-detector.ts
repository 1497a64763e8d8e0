import type { GuardedCall } from '../sandbox/crossing-guard.ts'

/** What one look at a crossing shows. */
export interface Look {
  /** Number of the crossing that runs; 0 when none does. */
  readonly number: number
  /** Index in it of the call whose code runs. */
  readonly index: number
  /** CPU time that the process has used so far, ms. */
  readonly cpu: number
}

/**
 * Judges from looks at a crossing whether it is stuck. It counts looks and not time: a process that is stopped or not
 * given a processor does not look either, so that nobody is judged for time that he did not have.
 */
export class StallDetector {
  readonly #period: number
  /** Looks without progress so far. */
  polls = 0
  #number = 0
  #index = 0
  #cpu = 0

  /** @param period between two looks when all goes well, ms. */
  constructor(period: number) {
    this.#period = period
  }

  /** @param limit how many looks without progress are too many. */
  isOver({ number, index, cpu }: Look, limit: number): boolean {
    if (number === 0 || number !== this.#number || index !== this.#index) {
      this.#number = number
      this.#index = index
      this.#cpu = cpu
      this.polls = 0
      return false
    }
    this.polls++
    if (this.polls < limit) return false
    // A busy machine may let this thread look and the other one wait; code that is stuck uses its processor. What waits
    // for something else is over all the same, only later.
    return cpu - this.#cpu >= (limit * this.#period) / 2 || this.polls >= limit * 4
  }
}

/**
 * Who may be to blame for a crossing that did not end: the call at this index, or, when the index names none, one call of
 * each policy and hook.
 */
export function suspectsOf(calls: readonly (GuardedCall | undefined)[], index: number): GuardedCall[] {
  const culprit = calls[index]
  if (culprit !== undefined) return [culprit]
  const suspects = new Map<string, GuardedCall>()
  for (const call of calls) {
    if (call === undefined) continue
    const key = JSON.stringify([call.hash, call.policy, call.hook])
    if (!suspects.has(key)) suspects.set(key, call)
  }
  return [...suspects.values()]
}
