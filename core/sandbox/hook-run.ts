import { type HookName, points } from '../hooks/points.ts'
import { bounds } from './bounds.ts'
import { GrantUse } from './grant-use.ts'
import type { GuardedCall } from './guard.ts'
import type { Place } from './layout.ts'
import type { PendingCall } from './pending-call.ts'
import { readRecord } from './records.ts'
import { describeThrown } from './trace.ts'
import { op } from './wire.ts'

/** What a record makes of a run. `asked`: operations to perform now; `known`: those whose result is there already. */
export interface Progress {
  readonly kind: 'waiting' | 'done'
  readonly asked: readonly GrantUse[]
  readonly known: readonly GrantUse[]
}

/** One step of a call: one policy's hook, from its first crossing until it is settled. */
export class HookRun implements GuardedCall {
  /** Names it on the wire. */
  readonly id: number
  readonly pending: PendingCall
  /** Its place among the steps of its call. */
  readonly index: number
  readonly place: Place
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
  deadline: NodeJS.Timeout | undefined
  /** What the hook wants of the flow, in order. */
  operations: string[][] = []
  /** Fields that it has read undeclared, as told with the last records; whoever takes them empties the list. */
  undeclared: string[] = []
  /** Log lines and metrics that came with the last records; whoever takes them empties the list. */
  notes: { readonly operation: string; readonly args: readonly string[] }[] = []
  readonly #uses = new Map<number, GrantUse>()
  #abort: AbortController | undefined
  #noted = 0
  #notesSeen = 0
  #done = 0
  #count = 0
  #size = 0

  constructor(id: number, pending: PendingCall, index: number, place: Place) {
    this.id = id
    this.pending = pending
    this.index = index
    this.place = place
  }

  get hash(): string {
    return this.place.instance.plugin.hash
  }
  get plugin(): string {
    return this.place.instance.plugin.name
  }
  get policy(): string {
    return this.place.instance.policy
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

  /** Takes a record in; a string is why the step has failed. */
  absorb(record: string): Progress | string {
    this.#size += record.length
    if (this.#size > bounds.record + bounds.body) return `it wrote more than ${bounds.record} characters`
    const operations = readRecord(record)
    if (operations === undefined) return 'it sent what cannot be read'
    this.#count += operations.length
    this.place.counts.operations += operations.length
    if (this.#count > this.#most) return `it asked for more than ${bounds.operations} things`
    const asked: GrantUse[] = []
    const known: GrantUse[] = []
    for (const operation of operations) {
      const [code, first = ''] = operation
      if (code === op.error) return this.#thrown(operation)
      if (code === op.wait) continue
      if (code === op.undeclared) this.undeclared.push(first)
      else if (code === op.note) {
        const problem = this.#note(first, operation.slice(2))
        if (problem !== undefined) return problem
      } else if (code === op.grant) {
        const use = this.#use(Number(first), operation[2]!, operation.slice(3))
        if (typeof use === 'string') return use
        if (use.fresh) asked.push(use.grant)
        else if (use.grant.result !== undefined) known.push(use.grant)
      } else this.operations.push(operation)
    }
    const waiting = operations.at(-1)?.[0] === op.wait
    if (waiting && !points[this.hook].mayAwait) return `${this.hook} may not wait`
    known.sort((a, b) => a.order - b.order)
    return { kind: waiting ? 'waiting' : 'done', asked, known }
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
    this.operations = []
    this.#count = 0
    this.#size = 0
    this.#notesSeen = 0
  }

  /** Operations in all its records: beside what the hook asks for, each grant may bring a wait, each record its notes. */
  get #most(): number {
    const { fields } = bounds.undeclared
    return bounds.operations + bounds.notes + fields + this.place.instance.limits.operations * 2
  }

  /** A second run writes nothing down twice; what it says then may differ (a time), its place is what counts. */
  #note(operation: string, args: readonly string[]): string | undefined {
    if (!this.#granted(operation)) return `it used ${operation} without a grant`
    if (++this.#notesSeen <= this.#noted || this.#noted >= bounds.notes) return undefined
    this.#noted++
    this.notes.push({ operation, args })
    return undefined
  }

  #granted(operation: string): boolean {
    const { needs } = this.place.instance.plugin.manifest
    return needs.includes(operation.slice(0, operation.indexOf('.')))
  }

  #use(number: number, operation: string, args: readonly string[]): { grant: GrantUse; fresh: boolean } | string {
    if (!this.#granted(operation)) return `it used ${operation} without a grant`
    const former = this.#uses.get(number)
    if (former !== undefined) {
      if (former.same(operation, args)) return { grant: former, fresh: false }
      return `run again in a new isolate it asked for ${operation} where it had asked for ${former.operation}`
    }
    const { operations } = this.place.instance.limits
    if (this.#uses.size >= operations) return `it used more than ${operations} grant operations`
    const grant = new GrantUse(number, operation, args)
    this.#uses.set(number, grant)
    return { grant, fresh: true }
  }

  #thrown([, kind = '', message = '', stack = '']: readonly string[]): string {
    const { plugin } = this.place.instance
    return describeThrown({ kind, message, stack }, plugin.name, plugin)
  }
}
