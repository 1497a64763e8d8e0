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

/** Most runs never have any of these: lists that are there from the start were a fifth of what a step cost the host. */
export const none: readonly GrantUse[] = []
export const noNotes: readonly Note[] = []
export const noNames: readonly string[] = []
const noOperations: readonly (readonly string[])[] = []

/** One step of a call: one policy's hook, from its first crossing until it is settled. */
export class HookRun implements GuardedCall {
  /** Names it on the wire; a new one each time its code begins. */
  id = 0
  readonly pending: PendingCall
  /** Index of its step in the call. */
  readonly index: number
  readonly binding: Binding
  /** Its code has begun to run in the present isolate. */
  started = false
  /** Its code has begun to run in some isolate. */
  tried = false
  /** It is settled or cancelled; whatever comes for it is late. */
  over = false
  /** The host did not let its operations happen. */
  refused = false
  /** How often it ran out of time by itself without having used its time. */
  attempts = 0
  /** Armed while it waits for grants. */
  deadline: WheelTimer | undefined = undefined
  /** What the hook wants of the flow, in order. */
  operations: readonly (readonly string[])[] = noOperations
  /** Why it fails when its crossing is over: the record was wrong that it showed in the middle of it. */
  problem: string | undefined = undefined
  /** The last record said that more will follow. */
  waits = false
  /** Grant operations to perform now; whoever takes them empties the list, here and in the next ones. */
  asked: readonly GrantUse[] = none
  /** Grant operations whose result is there already, from a former isolate. */
  known: readonly GrantUse[] = none
  /** Fields that it has read undeclared. */
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

  /** Aborted when nobody waits for the run any more, so that what the host does for it ends too. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    return this.#abort.signal
  }

  abort(): void {
    this.#abort?.abort()
  }

  /** Takes a record in: `waits`, `asked` and `known` say what comes next. Returns why the step has failed, if it has. */
  absorb(record: string): string | undefined {
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

  /** An operation was done; `false` when nobody waits for it any more. */
  finish(use: GrantUse, values: readonly string[] | undefined, message: string): boolean {
    if (values === undefined) use.fail(message, ++this.#done)
    else use.succeed(values, ++this.#done)
    return !this.over
  }

  /** The isolate is gone: what the hook wanted is forgotten, what the host did for it is not. */
  restart(): void {
    this.started = false
    this.operations = noOperations
    // What the lost crossing left to be done after it is asked for anew.
    for (const { number } of this.asked) this.#uses?.delete(number)
    this.asked = none
    this.known = none
    this.problem = undefined
    this.#count = 0
    this.#size = 0
    this.#notesSeen = 0
  }

  /** Operations in all its records: beside what the hook asks for, each grant may bring a wait, each record its notes. */
  get #most(): number {
    const { fields } = bounds.undeclared
    return bounds.operations + bounds.notes + fields + this.binding.instance.limits.operations * 2
  }

  /** A second run writes nothing down twice; what it says then may differ (a time), its place is what counts. */
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
