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

/** The adjacent steps of one task in a crossing. */
interface Part {
  readonly task: Task
  /** Indexes in the crossing: of its first step, and of the first step behind it. */
  readonly from: number
  to: number
}

/** Policies that are named in a message. */
const mostNamed = 8

/** The steps of one crossing, and the run that each belongs to. */
export class Batch {
  readonly steps: Step[] = []
  /** The run of each step, by the same index. */
  readonly runs: HookRun[] = []
  readonly parts: Part[] = []
  /** Characters of all texts. */
  length = 0
  readonly #firstId: number
  #nextId: number
  /** @param lastId highest id that a run of an earlier crossing has. */
  constructor(lastId: number) {
    this.#firstId = lastId + 1
    this.#nextId = lastId + 1
  }

  get size(): number {
    return this.steps.length
  }

  /** Highest id of all runs that have begun, in this crossing or an earlier one. */
  get lastId(): number {
    return this.#nextId - 1
  }

  /** The policies of its steps, for a message. */
  get policies(): string {
    const names = [...new Set(this.runs.map(({ policy }) => policy))]
    const named = names.length > mostNamed ? [...names.slice(0, mostNamed), '…'] : names
    return `${names.length === 1 ? 'policy' : 'policies'} ${named.join(', ')}`
  }

  /** What comes after its loss, for a message. */
  get again(): string {
    const { length } = this.parts
    return length === 1 ? '; its call runs again' : `; its ${length} calls run again, each on its own`
  }

  /** The run with this id when it begins in this crossing; otherwise `undefined`. */
  beginner(id: number): HookRun | undefined {
    // Runs that begin here have consecutive ids. Resumes among them only shift them to higher indexes.
    for (let i = Math.max(0, id - this.#firstId); i < this.runs.length; i++) {
      const run = this.runs[i]!
      if (run.id === id && this.steps[i]!.entry >= 0) return run
    }
    return undefined
  }

  /** Adds the first step of a call. */
  start(run: HookRun): void {
    this.parts.push({ task: run.pending, from: this.size, to: this.size + 1 })
    this.#start(run, false)
  }

  /**
   * Adds another step of the call whose step was added last.
   *
   * @param chained the step runs only when the step before it does not end the segment.
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
