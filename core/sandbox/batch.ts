import type { Step } from './cell.ts'
import type { HookRun } from './hook-run.ts'
import type { PendingCall } from './pending-call.ts'

/** Something that is to cross: the next steps of a call, or a word to a hook that has begun. */
export type Task =
  | { readonly kind: 'start'; readonly pending: PendingCall }
  | {
      readonly kind: 'poke'
      readonly pending: PendingCall
      readonly run: HookRun
      /** One of `wire.entry`. */
      readonly entry: number
      readonly text: string
      /** The isolate that it is meant for. */
      readonly generation: number
    }

/** What one task has in a crossing: adjacent steps. */
interface Part {
  readonly task: Task
  /** Place of its first step in the crossing. */
  readonly from: number
  readonly runs: HookRun[]
}

/** The steps of one crossing, and whose they are. */
export class Batch {
  readonly steps: Step[] = []
  /** Whose step each is. */
  readonly runs: HookRun[] = []
  readonly parts: Part[] = []
  /** Characters of all its texts. */
  length = 0

  get size(): number {
    return this.steps.length
  }

  /** What is added from here on belongs to this task. */
  open(task: Task): void {
    this.parts.push({ task, from: this.size, runs: [] })
  }

  /** @param chained its turn comes only if the step before it goes on. */
  start(run: HookRun, chained: boolean): void {
    const { place, pending } = run
    const { hook, steps } = pending.call
    this.#add(run, place.entries[hook]!, steps[run.index]!.input, chained)
  }

  poke({ run, entry, text }: Extract<Task, { kind: 'poke' }>): void {
    this.#add(run, entry, text, false)
  }

  #add(run: HookRun, entry: number, text: string, chained: boolean): void {
    this.parts.at(-1)!.runs.push(run)
    this.runs.push(run)
    this.length += text.length
    this.steps.push({ plugin: run.place.plugin, call: run.id, entry, text, chained })
  }
}
