import type { Step } from './executor.ts'
import type { RunsText } from './frame.ts'
import type { PendingCall } from './pending-call.ts'
import type { StepTurn } from './step-turn.ts'
import type { Turn } from './turn.ts'

/** What has to cross: the next step of a call, or a message to a hook that has begun. */
export type Task = PendingCall | Resume

/** A message to a hook that has begun. */
export interface Resume {
  readonly kind: 'resume'
  readonly pending: PendingCall
  readonly turn: StepTurn
  /** One of `wire.entry`. */
  readonly entry: number
  readonly text: string
  /** The isolate that it is meant for, by number. */
  readonly generation: number
}

/** Policies that are named in a message. */
const mostNamed = 8

/** The steps of one crossing, and the turn that each belongs to. */
export class Batch {
  readonly steps: Step[] = []
  /** The turn of each step, by the same index. */
  readonly stepTurns: StepTurn[] = []
  /** What each step was added for. */
  readonly tasks: Task[] = []
  /** Characters of all texts. */
  length = 0
  /** The calls of runs in the same crossing; their members come before its steps. */
  readonly text: RunsText | undefined
  readonly #members: readonly Turn[]
  /** How many calls they belong to. */
  readonly #calls: number
  readonly #firstId: number
  #nextId: number
  /** @param lastId highest id of a hook in an earlier crossing. @param members of the calls of runs. @param calls how many these are. */
  constructor(lastId: number, text?: RunsText, members: readonly Turn[] = [], calls = 0) {
    this.text = text
    this.#members = members
    this.#calls = calls
    this.#firstId = lastId + members.length + 1
    this.#nextId = this.#firstId
  }

  /** All turns in the crossing. */
  get turns(): readonly Turn[] {
    if (this.#members.length === 0) return this.stepTurns
    return this.stepTurns.length === 0 ? this.#members : [...this.#members, ...this.stepTurns]
  }

  get size(): number {
    return this.steps.length
  }

  /** Highest id of all turns that have begun, in this crossing or an earlier one. */
  get lastId(): number {
    return this.#nextId - 1
  }

  /** The policies of its steps, for a message. */
  get policies(): string {
    const names = [...new Set(this.turns.map(({ policy }) => policy))]
    const named = names.length > mostNamed ? [...names.slice(0, mostNamed), '…'] : names
    return `${names.length === 1 ? 'policy' : 'policies'} ${named.join(', ')}`
  }

  /** What comes after its loss, for a message. */
  get again(): string {
    const length = this.tasks.length + this.#calls
    return length === 1 ? '; its call runs again' : `; its ${length} calls run again, each on its own`
  }

  /** The turn with this id when it begins in this crossing; otherwise `undefined`. */
  beginner(id: number): StepTurn | undefined {
    // Turns that begin here have consecutive ids. Resumes among them only shift them to higher indexes.
    for (let i = Math.max(0, id - this.#firstId); i < this.stepTurns.length; i++) {
      const turn = this.stepTurns[i]!
      if (turn.id === id && this.steps[i]!.entry >= 0) return turn
    }
    return undefined
  }

  /** Adds the next step of a call. */
  start(turn: StepTurn): void {
    const { binding, pending, index } = turn
    const { hook, steps } = pending.call
    turn.id = this.#nextId++
    this.#add(pending, turn, binding.entries[hook]!, steps[index]!.input)
  }

  resume(task: Resume): void {
    this.#add(task, task.turn, task.entry, task.text)
  }

  #add(task: Task, turn: StepTurn, entry: number, text: string): void {
    this.tasks.push(task)
    this.stepTurns.push(turn)
    this.length += text.length
    this.steps.push({ plugin: turn.binding.plugin, call: turn.id, entry, text })
  }
}
