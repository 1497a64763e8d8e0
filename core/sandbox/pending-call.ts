import type { HookCall } from './plugin.ts'
import type { StepTurn } from './step-turn.ts'

/** One hook call on the host's side, from `Sandbox.call` until its last step is settled or it is cancelled. */
export class PendingCall {
  /** As a task: its next steps have to cross. */
  readonly kind = 'start'
  /** Calls are numbered in the order in which they arrived. */
  readonly number: number
  readonly call: HookCall
  /** Index of the step whose turn it is. */
  position = 0
  /** The turn of that step; `undefined` until the step has to cross. */
  turn: StepTurn | undefined = undefined
  /** It is settled or cancelled. */
  over = false
  /** It was part of a crossing that did not return: from now on it crosses alone, one step at a time. */
  alone = false
  /**
   * The records of its steps from one crossing are being processed; the next step does not begin before that is done.
   */
  applying = false

  /** Turns that are not due yet but for which grants have worked already, by step index. */
  #kept: Map<number, StepTurn> | undefined = undefined

  constructor(number: number, call: HookCall) {
    this.number = number
    this.call = call
  }

  get pending(): PendingCall {
    return this
  }

  /**
   * Keeps the turn in case the crossing is lost: it then begins again, and its grant operations are not performed twice.
   */
  keep(turn: StepTurn): void {
    this.#kept ??= new Map()
    this.#kept.set(turn.index, turn)
  }

  kept(index: number): StepTurn | undefined {
    return this.#kept?.get(index)
  }

  get keptTurns(): Iterable<StepTurn> {
    return this.#kept?.values() ?? []
  }
}
