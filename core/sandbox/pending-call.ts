import { bounds } from './bounds.ts'
import { GrantUse } from './grant-use.ts'
import type { Place } from './layout.ts'
import type { HookCall } from './plugin.ts'
import { readRecord } from './records.ts'
import { describeThrown } from './trace.ts'
import { op } from './wire.ts'

/** What a record makes of a call. `asked`: operations to perform now; `known`: those whose result is there already. */
export interface Progress {
  readonly kind: 'waiting' | 'done'
  readonly asked: readonly GrantUse[]
  readonly known: readonly GrantUse[]
}

/** One hook call on the host's side, from `Sandbox.call` until it is settled. */
export class PendingCall {
  readonly id: number
  readonly call: HookCall
  readonly place: Place
  /** Its code has begun to run in the present isolate. */
  started = false
  /** It is settled or cancelled; whatever comes for it is late. */
  over = false
  /** It was part of a crossing that did not return, and crosses by itself until it is over. */
  alone = false
  /** How often it ran out of time by itself without having used its time. */
  attempts = 0
  deadline: NodeJS.Timeout | undefined
  /** What the hook wants of the flow, in order. */
  operations: string[][] = []
  readonly #uses = new Map<number, GrantUse>()
  #done = 0
  #count = 0
  #size = 0

  constructor(id: number, call: HookCall, place: Place) {
    this.id = id
    this.call = call
    this.place = place
  }

  /** Takes a record in; a string is why the call has failed. */
  absorb(record: string): Progress | string {
    this.#size += record.length
    if (this.#size > bounds.record) return `it wrote more than ${bounds.record} characters`
    const operations = readRecord(record)
    if (operations === undefined) return 'it sent what cannot be read'
    this.#count += operations.length
    if (this.#count > bounds.operations + bounds.grants * 2) return `it asked for more than ${bounds.operations} things`
    const asked: GrantUse[] = []
    const known: GrantUse[] = []
    for (const operation of operations) {
      const code = operation[0]!
      if (code === op.error) return this.#thrown(operation)
      if (code === op.wait) continue
      if (code !== op.grant) {
        this.operations.push(operation)
        continue
      }
      const use = this.#use(Number(operation[1]), operation[2]!, operation.slice(3))
      if (typeof use === 'string') return use
      if (use.fresh) asked.push(use.grant)
      else if (use.grant.result !== undefined) known.push(use.grant)
    }
    known.sort((a, b) => a.order - b.order)
    return { kind: operations.at(-1)?.[0] === op.wait ? 'waiting' : 'done', asked, known }
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
  }

  #use(number: number, operation: string, args: readonly string[]): { grant: GrantUse; fresh: boolean } | string {
    const { needs } = this.place.instance.plugin.manifest
    if (!needs.includes(operation.slice(0, operation.indexOf('.')))) return `it used ${operation} without a grant`
    const former = this.#uses.get(number)
    if (former !== undefined) {
      if (former.same(operation, args)) return { grant: former, fresh: false }
      return `run again in a new isolate it asked for ${operation} where it had asked for ${former.operation}`
    }
    if (this.#uses.size >= bounds.grants) return `it used more than ${bounds.grants} grant operations`
    const grant = new GrantUse(number, operation, args)
    this.#uses.set(number, grant)
    return { grant, fresh: true }
  }

  #thrown([, kind = '', message = '', stack = '']: readonly string[]): string {
    const { plugin } = this.place.instance
    return describeThrown({ kind, message, stack }, plugin.name, plugin)
  }
}
