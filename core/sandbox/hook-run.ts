import { type HookName, points } from '../../sdk/points.ts'
import type { WheelTimer } from '../net/timer-wheel.ts'
import { bounds } from './bounds.ts'
import type { GuardedCall } from './crossing-guard.ts'
import { GrantUse } from './grant-use.ts'
import type { Binding } from './layout.ts'
import type { PendingCall } from './pending-call.ts'
import { readRecord } from './records.ts'
import { describeThrown } from './trace.ts'
import { op } from './wire.ts'

interface Note {
  readonly operation: string
  readonly args: readonly string[]
}

/**
 * Shared empty lists: most runs have none of these, and lists of their own were a fifth of what a step cost the host.
 */
export const none: readonly GrantUse[] = []
export const noNotes: readonly Note[] = []
export const noNames: readonly string[] = []
const noOperations: readonly (readonly string[])[] = []

/** The run of one step of a call: one policy's hook, from its first crossing until it is settled. */
export class HookRun implements GuardedCall {
  /** Identifies it on the wire; a new id each time its code begins. */
  id = 0
  readonly pending: PendingCall
  /** Index of its step in the call. */
  readonly index: number
  readonly binding: Binding
  /** Its code has begun to run in the active isolate. */
  started = false
  /** Its code has begun to run in some isolate before. */
  tried = false
  /** It is settled or cancelled; records that still arrive are late. */
  over = false
  /** The host refused its operations. */
  refused = false
  /** How often it crossed alone and timed out without having used its CPU time. */
  attempts = 0
  /** Armed while it waits for grants. */
  deadline: WheelTimer | undefined = undefined
  /** Operations for the flow, in order. */
  operations: readonly (readonly string[])[] = noOperations
  /** Why it fails at the end of its crossing: a record that it sent in the middle of the crossing was invalid. */
  problem: string | undefined = undefined
  /** The hook waits: more records will follow. */
  waits = false
  /** Grant operations to perform. Code that takes this list, or one of the three below, replaces it by an empty one. */
  asked: readonly GrantUse[] = none
  /** Grant operations whose result is known already, from an earlier isolate. */
  known: readonly GrantUse[] = none
  /** Undeclared fields that it has read. */
  undeclared: readonly string[] = noNames
  /** Log lines and metrics. */
  notes: readonly Note[] = noNotes
  #uses: Map<number, GrantUse> | undefined = undefined
  #abort: AbortController | undefined = undefined
  #noted = 0
  #notesSeen = 0
  #done = 0
  #count = 0
  #size = 0

  constructor(pending: PendingCall, index: number, binding: Binding) {
    this.pending = pending
    this.index = index
    this.binding = binding
  }

  get hash(): string {
    return this.binding.instance.plugin.hash
  }
  get plugin(): string {
    return this.binding.instance.plugin.name
  }
  get policy(): string {
    return this.binding.instance.policy
  }
  get hook(): HookName {
    return this.pending.call.hook
  }
  get flow(): string {
    return this.pending.call.flow
  }

  /** Aborted when the run's result is no longer needed, so that the host stops its work for the run. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    return this.#abort.signal
  }

  abort(): void {
    this.#abort?.abort()
  }

  /**
   * Processes a record; `waits`, `asked` and `known` say what comes next. Returns why the step has failed, if it has.
   */
  addRecord(record: string): string | undefined {
    this.waits = false
    if (record === '') return undefined
    this.#size += record.length
    if (record === op.wait) return this.#wait()
    if (this.#size > bounds.record + bounds.body) return `the hook wrote more than ${bounds.record} characters`
    const operations = readRecord(record)
    if (operations === undefined) return 'the plugin sent a malformed record'
    this.#count += operations.length
    this.binding.counts.operations += operations.length
    if (this.#count > bounds.operations && this.#count > this.#most) {
      return `the hook asked for more than ${bounds.operations} operations`
    }
    const problem = this.#sort(operations)
    if (problem !== undefined) return problem
    return operations[operations.length - 1]![0] === op.wait ? this.#wait() : undefined
  }

  #wait(): string | undefined {
    this.waits = true
    return points[this.hook].mayAwait ? undefined : `${this.hook} must not wait`
  }

  #sort(operations: readonly (readonly string[])[]): string | undefined {
    const own: (readonly string[])[] = []
    for (const operation of operations) {
      const code = operation[0]!
      const first = operation[1] ?? ''
      if (code === op.error) return this.#thrown(operation)
      if (code === op.wait) continue
      if (code === op.undeclared) this.undeclared = [...this.undeclared, first]
      else if (code === op.note) {
        const problem = this.#note(first, operation.slice(2))
        if (problem !== undefined) return problem
      } else if (code === op.grant) {
        const problem = this.#use(Number(first), operation[2]!, operation.slice(3))
        if (problem !== undefined) return problem
      } else own.push(operation)
    }
    this.operations = this.operations.length === 0 ? own : [...this.operations, ...own]
    if (this.known.length > 1) this.known = this.known.toSorted((a, b) => a.order - b.order)
    return undefined
  }

  /** A grant operation is done. Returns `false` when the run no longer needs the result. */
  finish(use: GrantUse, values: readonly string[] | undefined, message: string): boolean {
    if (values === undefined) use.fail(message, ++this.#done)
    else use.succeed(values, ++this.#done)
    return !this.over
  }

  /** The isolate is lost: the hook's operations are dropped, results of its grant operations are kept. */
  restart(): void {
    this.started = false
    this.operations = noOperations
    // Operations that were to be performed after the lost crossing are asked for again.
    for (const { number } of this.asked) this.#uses?.delete(number)
    this.asked = none
    this.known = none
    this.problem = undefined
    this.#count = 0
    this.#size = 0
    this.#notesSeen = 0
  }

  /**
   * Most operations in all records: besides its own operations, each grant may add a wait, and each record its notes.
   */
  get #most(): number {
    const { fields } = bounds.undeclared
    return bounds.operations + bounds.notes + fields + this.binding.instance.limits.operations * 2
  }

  /** A second run repeats no note. Its notes may differ (a time of day), so they are compared by their position. */
  #note(operation: string, args: readonly string[]): string | undefined {
    if (!this.#granted(operation)) return `the hook used ${operation} without the grant`
    if (++this.#notesSeen <= this.#noted || this.#noted >= bounds.notes) return undefined
    this.#noted++
    this.notes = [...this.notes, { operation, args }]
    return undefined
  }

  #granted(operation: string): boolean {
    const { needs } = this.binding.instance.plugin.manifest
    return needs.includes(operation.slice(0, operation.indexOf('.')))
  }

  #use(number: number, operation: string, args: readonly string[]): string | undefined {
    if (!this.#granted(operation)) return `the hook used ${operation} without the grant`
    this.#uses ??= new Map()
    const former = this.#uses.get(number)
    if (former !== undefined) {
      if (!former.same(operation, args)) {
        return `the hook ran again in a new isolate and asked for ${operation} instead of ${former.operation}`
      }
      if (former.result !== undefined) this.known = [...this.known, former]
      return undefined
    }
    const { operations } = this.binding.instance.limits
    if (this.#uses.size >= operations) return `the hook used more than ${operations} grant operations`
    const grant = new GrantUse(number, operation, args)
    this.#uses.set(number, grant)
    this.asked = [...this.asked, grant]
    return undefined
  }

  #thrown([, kind = '', message = '', stack = '']: readonly string[]): string {
    const { plugin } = this.binding.instance
    return describeThrown({ kind, message, stack }, plugin.name, plugin)
  }
}
