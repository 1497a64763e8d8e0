import type { HookRun } from './hook-run.ts'
import type { HookCall } from './plugin.ts'

/** One hook call on the host's side, from `Sandbox.call` until its last step is settled or it is cancelled. */
export class PendingCall {
  /** As a task: its next steps are to cross. */
  readonly kind = 'start'
  /** Calls are numbered in the order in which they came. */
  readonly number: number
  readonly call: HookCall
  /** The step whose turn it is. */
  position = 0
  /** Its run; `undefined` until it is to cross. */
  run: HookRun | undefined = undefined
  /** Nothing more is to come of it. */
  over = false
  /** It was part of a crossing that did not return: from here on it crosses by itself, a step at a time. */
  alone = false
  /** What its steps did in one crossing is being taken in: the next step is not begun before that is through. */
  applying = false

  /** Runs whose turn has not come yet, though grants have worked for them already, by step index. */
  #kept: Map<number, HookRun> | undefined = undefined

  constructor(number: number, call: HookCall) {
    this.number = number
    this.call = call
  }

  get pending(): PendingCall {
    return this
  }

  /** Should the crossing be lost, it is this run that begins anew, and nothing is done for it twice. */
  keep(run: HookRun): void {
    this.#kept ??= new Map()
    this.#kept.set(run.index, run)
  }

  kept(index: number): HookRun | undefined {
    return this.#kept?.get(index)
  }
}
