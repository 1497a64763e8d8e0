import type { Step } from './executor.ts'
import type { HookRun } from './hook-run.ts'
import type { PendingCall } from './pending-call.ts'

/** What has to cross: the next steps of a call, or a message to a hook that has begun. */
export type Task = PendingCall | Resume

/** A message to a hook that has begun. */
export interface Resume {
  readonly kind: 'resume'
  readonly pending: PendingCall
  readonly run: HookRun
  /** One of `wire.entry`. */
  readonly entry: number
  readonly text: string
  /** The isolate that it is meant for, by number. */
  readonly generation: number
}

/** What one task has in a crossing: adjacent steps. */
interface Part {
  readonly task: Task
  /** Indexes in the crossing: of its first step, and of the first step behind it. */
  readonly from: number
  to: number
}

/** The steps of one crossing, and whose they are. */
export class Batch {
  readonly steps: Step[] = []
  /** Whose step each is. */
  readonly runs: HookRun[] = []
  readonly parts: Part[] = []
  /** Characters of all its texts. */
  length = 0
  readonly #firstId: number
  #nextId: number
  /** @param lastId of the runs of former crossings. */
  constructor(lastId: number) {
    this.#firstId = lastId + 1
    this.#nextId = lastId + 1
  }

  get size(): number {
    return this.steps.length
  }

  /** Of all runs that have begun, in this crossing or a former one. */
  get lastId(): number {
    return this.#nextId - 1
  }

  /** The run with this id, if it begins here. */
  beginner(id: number): HookRun | undefined {
    // Those that begin have consecutive ids; resumes among them only move them back.
    for (let i = Math.max(0, id - this.#firstId); i < this.runs.length; i++) {
      const run = this.runs[i]!
      if (run.id === id && this.steps[i]!.entry >= 0) return run
    }
    return undefined
  }

  /** The first step of a call. */
  start(run: HookRun): void {
    this.parts.push({ task: run.pending, from: this.size, to: this.size + 1 })
    this.#start(run, false)
  }

  /**
   * Another step of the call whose step was added last.
   *
   * @param chained its turn comes only if the step before it goes on.
   */
  follow(run: HookRun, chained: boolean): void {
    this.#start(run, chained)
    this.parts[this.parts.length - 1]!.to = this.size
  }

  resume(task: Resume): void {
    this.parts.push({ task, from: this.size, to: this.size + 1 })
    this.#add(task.run, task.entry, task.text, false)
  }

  #start(run: HookRun, chained: boolean): void {
    const { binding, pending } = run
    const { hook, steps } = pending.call
    run.id = this.#nextId++
    this.#add(run, binding.entries[hook]!, steps[run.index]!.input, chained)
  }

  #add(run: HookRun, entry: number, text: string, chained: boolean): void {
    this.runs.push(run)
    this.length += text.length
    this.steps.push({ plugin: run.binding.plugin, call: run.id, entry, text, chained })
  }
}
