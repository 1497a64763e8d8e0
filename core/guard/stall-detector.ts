import type { GuardedCall } from '../sandbox/crossing-guard.ts'

/** What one poll of a crossing shows. */
export interface Poll {
  /** Number of the crossing that runs; 0 when none does. */
  readonly number: number
  /** Index in the crossing of the call whose code runs; -1 when none does. */
  readonly index: number
  /** CPU time that the process has used so far, ms. */
  readonly cpu: number
}

/**
 * Decides from regular polls whether a crossing is stuck. It counts polls, not time: a process that is stopped or gets
 * no CPU time does not poll either, so that time the plugin did not have does not count against it.
 */
export class StallDetector {
  readonly #period: number
  /** Polls without progress so far. */
  polls = 0
  #number = 0
  #index = 0
  #cpu = 0

  /** @param period time between two polls on an idle machine, ms. */
  constructor(period: number) {
    this.#period = period
  }

  /**
   * Takes one poll. Returns whether the crossing is stuck.
   *
   * @param limit polls without progress from which the crossing counts as stuck; half of them when it has used as much
   *   CPU time as they all take.
   */
  isStuck({ number, index, cpu }: Poll, limit: number): boolean {
    if (number === 0 || number !== this.#number || index !== this.#index) {
      this.#number = number
      this.#index = index
      this.#cpu = cpu
      this.polls = 0
      return false
    }
    this.polls++
    const used = cpu - this.#cpu
    const most = limit * this.#period
    // On a busy machine this thread may poll late, while the other one goes on: stuck code must not cost more for that.
    if (used >= most && this.polls >= limit / 2) return true
    if (this.polls < limit) return false
    // Or it polls while the other one gets no CPU time; stuck code uses CPU time. A crossing that uses none counts as stuck
    // too, but only after four times as many polls.
    return used >= most / 2 || this.polls >= limit * 4
  }
}

/**
 * The calls that may have caused a crossing not to end: the call at this index, or, without one, one call of
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
