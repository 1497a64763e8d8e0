import { type HookName, points } from '../../sdk/points.ts'
import { measureCpu } from '../grants/cpu-time.ts'
import type { WheelTimer } from '../net/timer-wheel.ts'
import { bounds } from './bounds.ts'
import { CpuTrial } from './cpu-trial.ts'
import type { GuardedCall } from './crossing-guard.ts'
import type { Taken } from './crossing-leases.ts'
import { GrantUse } from './grant-use.ts'
import type { Binding } from './layout.ts'
import type { PendingCall } from './pending-call.ts'
import { bodyProblem, readRecord, thrownOf } from './records.ts'
import { describeThrown } from './trace.ts'
import { OPERATION, op } from './wire.ts'

interface Note {
  readonly operation: string
  readonly args: readonly string[]
}

/**
 * Shared empty lists: most turns have none of these, and lists of their own were a fifth of what a step cost the host.
 */
export const none: readonly GrantUse[] = []
export const noNotes: readonly Note[] = []
export const noNames: readonly string[] = []
const noTakes: readonly Taken[] = []
const noOperations: readonly (readonly string[])[] = []

/**
 * The turn of one step of a call that does not cross as a run, or no longer: one policy's hook, from its first crossing until
 * it is settled. Its code may begin several times.
 */
export class StepTurn implements GuardedCall {
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
  /** CPU time that the host has used for what the hook wrote and asked for, ms, where it is worth measuring. */
  hostTime = 0
  /** It begins again, with the results that grants have brought it already. */
  replays = false
  #trial: CpuTrial | undefined = undefined
  #uses: Map<number, GrantUse> | undefined = undefined
  #abort: AbortController | undefined = undefined
  #noted = 0
  #notesSeen = 0
  #linesSeen = 0
  #undeclaredSeen = 0
  #done = 0
  #count = 0
  #size = 0
  #hasBody = false
  /** Its part of `binding.held`. */
  #held = 0

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
  get alone(): boolean {
    return this.pending.alone
  }

  /** Its crossings alone. */
  get trial(): CpuTrial {
    this.#trial ??= new CpuTrial(this.binding.instance.limits.time)
    return this.#trial
  }

  /**
   * It was part of a crossing that did not return.
   *
   * @param cost CPU time of a crossing that it shared, ms.
   */
  crossAlone(cost: number): void {
    this.pending.alone = true
    this.trial.charge(cost)
  }

  /** Aborted when its result is no longer needed, so that the host stops its work for it. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    return this.#abort.signal
  }

  /** Its code begins to run. */
  begin(): void {
    this.started = true
    this.tried = true
    this.hostTime += this.binding.owed
    this.binding.owed = 0
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
    if (record === op.wait) return this.#wait()
    if (record.length <= bounds.pinned) return this.#read(record)
    const spent = measureCpu()
    const problem = this.#read(record)
    this.spend(spent())
    return problem ?? this.hold(record.length * 2)
  }

  #read(record: string): string | undefined {
    if (record.charAt(0) !== op.body) return this.#readOperations(record)
    const found = record.indexOf(OPERATION)
    const end = found === -1 ? record.length : found
    const body = record.slice(1, end)
    const problem = this.#hasBody ? 'the hook wrote two bodies' : bodyProblem(body)
    if (problem !== undefined) return problem
    this.#hasBody = true
    this.operations = this.operations.concat([[op.body, body]])
    return this.#readOperations(record.slice(end + 1))
  }

  #readOperations(text: string): string | undefined {
    this.#size += text.length
    if (this.#size > bounds.hostRecord) return `the hook wrote more than ${bounds.record} characters`
    const operations = readRecord(text, this.#most - this.#count)
    if (typeof operations === 'string') return operations
    this.#count += operations.length
    this.binding.counts.operations += operations.length
    const problem = this.#sort(operations)
    if (problem !== undefined) return problem
    return operations[operations.length - 1]?.[0] === op.wait ? this.#wait() : undefined
  }

  /**
   * Adds CPU time to what the turn costs; one that costs more than the plugin's time limit fails. What is used after its
   * end is added to the next one.
   */
  spend(ms: number): void {
    if (this.over) this.binding.owed += ms
    else this.hostTime += ms
    this.binding.counts.time += ms
  }

  /**
   * Counts bytes that the host keeps until the turn is over; negative ones are no longer kept. Returns a problem when
   * the calls of this policy hold too many.
   */
  hold(bytes: number): string | undefined {
    if (this.over) return undefined
    const problem = this.holdApart(bytes)
    if (problem === undefined) this.#held += bytes
    return problem
  }

  /** The same for what may be kept longer than the turn is under way: only negative ones end it. */
  holdApart(bytes: number): string | undefined {
    const held = this.binding.held + bytes
    if (bytes > 0 && held > bounds.held) return 'the calls of this policy that are under way hold more than 16 MB'
    this.binding.held = held
    return undefined
  }

  /** Nothing of it is kept any more. */
  release(): void {
    this.binding.held -= this.#held
    this.#held = 0
  }

  #wait(): string | undefined {
    this.waits = true
    if (this.binding.leases !== undefined) this.#allUses()
    return points[this.hook].mayAwait ? undefined : `${this.hook} must not wait`
  }

  #sort(operations: readonly (readonly string[])[]): string | undefined {
    const own: (readonly string[])[] = []
    for (const operation of operations) {
      const code = operation[0]!
      const first = operation[1] ?? ''
      if (code === op.error) return this.#thrown(operation)
      if (code === op.wait) continue
      if (code === op.undeclared) this.#addUndeclared(first)
      else if (code === op.note) {
        const problem = this.#note(first, operation.slice(2))
        if (problem !== undefined) return problem
      } else if (code === op.grant) {
        const problem = this.#use(Number(first), operation[2]!, operation.slice(3))
        if (problem !== undefined) return problem
      } else own.push(operation)
    }
    this.operations = this.operations.length === 0 ? own : this.operations.concat(own)
    if (this.known.length > 1) this.known = this.known.toSorted((a, b) => a.order - b.order)
    return undefined
  }

  /** A grant operation is done. Returns `false` when the hook no longer needs the result. */
  finish(use: GrantUse, values: readonly string[] | undefined, message: string): boolean {
    if (values === undefined) use.fail(message, ++this.#done)
    else {
      use.succeed(values, ++this.#done)
      const problem = this.hold(use.result!.length * 2)
      if (problem !== undefined) use.fail(problem, this.#done)
    }
    return !this.over
  }

  /** All grant operations so far, with those that the dispatcher has decided in the crossing. */
  #allUses(): Map<number, GrantUse> {
    this.#uses ??= new Map()
    for (const taken of this.binding.leases?.takesOf(this.id) ?? noTakes) {
      const { number } = taken
      if (!this.#uses.has(number)) this.#uses.set(number, GrantUse.decided(taken, ++this.#done))
    }
    return this.#uses
  }

  /** The isolate is lost: the hook's operations are dropped, results of its grant operations are kept. */
  restart(): void {
    this.started = false
    this.operations = noOperations
    const uses = this.#allUses()
    // Operations that were to be performed after the lost crossing are asked for again.
    for (const { number } of this.asked) uses.delete(number)
    this.replays = uses.size > 0
    this.release()
    for (const { args, result = '' } of uses.values()) this.hold((args.join('').length + result.length) * 2)
    this.asked = none
    this.known = none
    this.problem = undefined
    this.#count = 0
    this.#size = 0
    this.#hasBody = false
    this.#notesSeen = 0
    this.#linesSeen = 0
    this.#undeclaredSeen = 0
  }

  /**
   * Most operations in all records: besides its own operations, each grant may add a wait, and each record its notes.
   */
  get #most(): number {
    const { fields } = bounds.undeclared
    return bounds.operations + bounds.notes + fields + this.binding.instance.limits.operations * 2
  }

  /** A hook that begins again repeats no note. Its notes may differ (a time of day), so they are compared by their position. */
  #note(operation: string, args: readonly string[]): string | undefined {
    if (!this.#granted(operation)) return `the hook used ${operation} without the grant`
    // Any other would pass the limit on the operations of a call, and what it brings would be counted for no call.
    if (!/^(?:log|metric)\./.test(operation)) return `the hook used ${operation} without waiting for its result`
    if (operation.startsWith('log.') && ++this.#linesSeen > bounds.lines.call) return undefined
    if (++this.#notesSeen <= this.#noted || this.#noted >= bounds.notes) return undefined
    this.#noted++
    this.notes = [...this.notes, { operation, args }]
    return undefined
  }

  #addUndeclared(field: string): void {
    if (++this.#undeclaredSeen > bounds.undeclared.fields) return
    this.undeclared = [...this.undeclared, field.slice(0, bounds.undeclared.name)]
  }

  #granted(operation: string): boolean {
    const { needs } = this.binding.instance.plugin.manifest
    return needs.includes(operation.slice(0, operation.indexOf('.')))
  }

  #use(number: number, operation: string, args: readonly string[]): string | undefined {
    if (!this.#granted(operation)) return `the hook used ${operation} without the grant`
    const uses = this.#allUses()
    const former = uses.get(number)
    if (former !== undefined) {
      if (!former.same(operation, args)) {
        return `the hook ran again in a new isolate and asked for ${operation} instead of ${former.operation}`
      }
      if (former.result !== undefined) this.known = [...this.known, former]
      return undefined
    }
    const { operations } = this.binding.instance.limits
    if (uses.size >= operations) return `the hook used more than ${operations} grant operations`
    const grant = new GrantUse(number, operation, args)
    uses.set(number, grant)
    this.asked = [...this.asked, grant]
    return undefined
  }

  #thrown(operation: readonly string[]): string {
    return describeThrown(thrownOf(operation), this.binding.instance.plugin)
  }
}
