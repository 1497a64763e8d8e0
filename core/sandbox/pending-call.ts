import type { HookRun } from './hook-run.ts'
import type { HookCall } from './plugin.ts'

/** One hook call on the host's side, from `Sandbox.call` until its last step is settled or it is cancelled. */
export class PendingCall {
  /** As a task: its next steps have to cross. */
  readonly kind = 'start'
  /** Calls are numbered in the order in which they arrived. */
  readonly number: number
  readonly call: HookCall
  /** Index of the step whose turn it is. */
  position = 0
  /** The run of that step; `undefined` until the step has to cross. */
  run: HookRun | undefined = undefined
  /** It is settled or cancelled. */
  over = false
  /** It was part of a crossing that did not return: from now on it crosses alone, one step at a time. */
  alone = false
  /**
   * The records of its steps from one crossing are being processed; the next step does not begin before that is done.
   */
  applying = false

  /** Runs whose turn has not come yet but for which grants have worked already, by step index. */
  #kept: Map<number, HookRun> | undefined = undefined

  constructor(number: number, call: HookCall) {
    this.number = number
    this.call = call
  }

  get pending(): PendingCall {
    return this
  }

  /**
   * Keeps the run in case the crossing is lost: it then begins again, and its grant operations are not performed twice.
   */
  keep(run: HookRun): void {
    this.#kept ??= new Map()
    this.#kept.set(run.index, run)
  }

  kept(index: number): HookRun | undefined {
    return this.#kept?.get(index)
  }

  get keptRuns(): Iterable<HookRun> {
    return this.#kept?.values() ?? []
  }
}
