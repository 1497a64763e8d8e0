import type { GrantHost } from '../grants/grant-host.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import type { Breaker } from './breaker.ts'
import type { CrossingLeases } from './crossing-leases.ts'
import type { SandboxEvent } from './event.ts'
import type { Emit } from './executor.ts'
import { ended as atItsEnd, holdsAll, holdsSome } from './frame.ts'
import { GrantRequest, type GrantUse } from './grant-use.ts'
import { IdTable } from './id-table.ts'
import type { Binding } from './layout.ts'
import { PendingCall } from './pending-call.ts'
import type { FailureCode, HookCall, PluginCode, Verdict } from './plugin.ts'
import { noNames, noNotes, none, StepTurn } from './step-turn.ts'
import { describeThrown, type Thrown } from './trace.ts'
import { type Turn, turnsOf } from './turn.ts'
import { UndeclaredReads } from './undeclared.ts'
import { entry, ITEM, OPERATION, waits } from './wire.ts'

export interface StepCallsOptions {
  /** Name of the group, for events that no single plugin has caused. */
  readonly group: string
  readonly grants: GrantHost
  readonly leases: CrossingLeases | undefined
  readonly breaker: Breaker
  readonly onEvent: ((event: SandboxEvent) => void) | undefined
  /** Queues the step whose turn it is. */
  begin(pending: PendingCall): void
  /** Sends a message to a hook that has begun; `entry` is one of `wire.entry`. */
  send(turn: StepTurn, entry: number, text: string): void
  /** The last call under way has ended. */
  onIdle(): void
}

/** How the code of a step has failed. */
export type FailureKind = 'time' | 'memory' | 'thrown'

export const codes: Readonly<Record<FailureKind, FailureCode>> = { time: 'PT', memory: 'PM', thrown: 'PE' }
export const types = { time: 'timeout', memory: 'memory', thrown: 'threw' } as const
const counters = { time: 'timeouts', memory: 'memory', thrown: 'errors' } as const

/**
 * The calls of a group whose steps have turns of their own: processes their records, performs their grant operations, settles
 * them.
 */
export class StepCalls {
  readonly #options: StepCallsOptions
  /** Turns that wait for a grant, by id. All others end in the crossing in which they begin. */
  readonly #waiting = new IdTable<StepTurn>()
  #size = 0
  readonly #undeclared = new UndeclaredReads()

  constructor(options: StepCallsOptions) {
    this.#options = options
  }

  /** Calls under way. */
  get size(): number {
    return this.#size
  }

  add(call: HookCall, number: number): PendingCall {
    const pending = new PendingCall(number, call)
    call.pending = pending
    this.#size++
    return pending
  }

  /** A call begins that crosses as a run; it may be handed over later on. */
  began(): void {
    this.#size++
  }

  /** Such a call has ended. */
  ended(): void {
    if (--this.#size === 0) this.#options.onIdle()
  }

  /** Queues the step whose turn it is. */
  begin(pending: PendingCall): void {
    this.#options.begin(pending)
  }

  /**
   * The isolate is lost: every step that had begun in it begins again.
   *
   * @param lost those of the crossing that did not return.
   */
  restart(lost: readonly StepTurn[]): void {
    const begun = [...this.#waiting.values(), ...lost]
    this.#waiting.clear()
    for (const turn of begun) {
      if (!turn.started) continue
      // Notes that it made before it got an answer are not repeated when it begins again. Before it is due it writes none: a turn
      // that is kept still has them then, any other one makes them again.
      if (turn.notes.length > 0 && turn.pending.turn === turn) this.#note(turn)
      turn.restart()
      if (turn.replays && turn !== turn.pending.turn) turn.pending.keep(turn)
      if (!turn.over && turn.pending.turn === turn) this.#options.begin(turn.pending)
    }
  }

  cancel(call: HookCall): void {
    const pending = pendingOf(call)
    if (pending === undefined) return
    const { turn } = pending
    if (turn !== undefined) {
      turn.abort()
      this.end(turn, false)
      if (turn.tried) turn.binding.counts.calls++
      this.#options.breaker.endProbe(turn)
    }
    this.#end(pending)
  }

  /** The host refused the operations of the step that is being settled. */
  refused(call: HookCall, message: string): void {
    const turn = pendingOf(call)?.turn
    if (turn === undefined) return
    turn.refused = true
    this.refusedOf(turn, message)
  }

  /** The same for a member of a run. */
  refusedOf(turn: Turn, message: string): void {
    turn.binding.counts.refused++
    this.event('refused', turn, message)
  }

  /** Processes the first record of a hook. */
  processStarted(turn: StepTurn, record: string): void {
    if (turn.pending.over) this.end(turn, false)
    else this.process(turn, record)
  }

  /** The turn with this id when it waits for a grant; otherwise `undefined`. */
  waiting(id: number): StepTurn | undefined {
    return this.#waiting.get(id)
  }

  /**
   * A hook waits in the middle of a crossing: it gets the results that are known or available immediately. The rest of
   * its record is kept for the end of the crossing. Returns an answer as in `frame.ts`.
   */
  answer(turn: StepTurn, record: string): string {
    if (turn.over || !turn.started) return holdsSome
    turn.problem ??= turn.addRecord(record)
    if (turn.problem !== undefined) return holdsSome
    const { asked, known } = turn
    turn.known = none
    turn.asked = none
    const results = known.map(({ result }) => result!)
    for (const use of asked) {
      // An earlier step of its call may have no verdict yet, so that this one is not due yet.
      if (turn !== turn.pending.turn) turn.pending.keep(turn)
      if (this.#options.grants.immediate?.has(use.operation) !== true) turn.asked = [...turn.asked, use]
      else if (this.#perform(turn, use)) results.push(use.result! + this.#placeOf(turn, use))
    }
    return (results.length === asked.length + known.length ? holdsAll : holdsSome) + results.join(OPERATION)
  }

  /** What the dispatcher learns with a result: see `frame.ts`. */
  #placeOf(turn: StepTurn, use: GrantUse): string {
    const place = this.#options.leases?.place(turn, use)
    return place === undefined ? '' : ITEM + place
  }

  /**
   * Processes the record of a hook that waited, from the crossing that resumed it.
   *
   * @param record empty when there is nothing new.
   */
  processResumed(turn: StepTurn, record: string): void {
    if (record === '' || turn.over) return
    this.process(turn, record === atItsEnd ? '' : record)
  }

  /**
   * Processes records that hooks sent after they waited. Those for calls that have ended are one event together: a plugin
   * can send thousands of them in one crossing.
   */
  receive(records: readonly Parameters<Emit>[]): void {
    let late = 0
    for (const [plugin, id, text] of records) {
      const turn = this.#waiting.get(id)
      // A plugin must not send records for calls of other plugins.
      if (turn === undefined || turn.over || turn.binding.plugin !== plugin) late++
      else this.process(turn, text)
    }
    if (late > 0) this.event('late', undefined, `${late} records arrived for calls that have ended`)
  }

  /** Processes a record of a hook. */
  process(turn: StepTurn, text: string): void {
    if (turn.over) return
    const problem = turn.problem ?? turn.addRecord(text)
    if (turn.notes.length > 0) this.#note(turn)
    if (turn.undeclared.length > 0) this.#reportUndeclared(turn)
    // A record without a wait is the last one of its hook.
    if (problem !== undefined) return this.fail(turn, 'thrown', problem, !waits(text))
    if (turn.hostTime > turn.binding.instance.limits.time) return this.#costTooMuch(turn, !waits(text))
    if (turn.waits) this.#waiting.set(turn.id, turn)
    const { asked, known } = turn
    turn.asked = none
    turn.known = none
    for (const use of asked) if (this.#perform(turn, use)) this.#resume(turn, use)
    for (const use of known) this.#resume(turn, use)
    if (turn.waits) this.#limitWait(turn)
    else this.#settle(turn, { kind: 'done', operations: turn.operations }, true)
  }

  /** @param returned the code of the hook has ended. */
  fail(turn: StepTurn, kind: FailureKind, message: string, returned = false): void {
    if (turn.over) return
    turn.binding.counts[counters[kind]]++
    this.event(types[kind], turn, message)
    this.#settle(turn, failure(turn, codes[kind], message), returned)
  }

  #costTooMuch(turn: StepTurn, returned: boolean): void {
    const { time } = turn.binding.instance.limits
    this.fail(turn, 'time', `what the hook wrote and asked for took the gateway more than ${time} ms`, returned)
  }

  /** The step fails without running. */
  deny(turn: StepTurn, code: FailureCode, message: string): void {
    if (turn.over) return
    turn.binding.counts.denied++
    this.#settle(turn, failure(turn, code, message), true)
  }

  /** The turn is over; records that still arrive are ignored. */
  end(turn: StepTurn, returned: boolean): void {
    turn.over = true
    turn.release()
    if (turn.deadline !== undefined) {
      turn.deadline.disarm()
      this.#waiting.delete(turn.id)
    }
    // The guest still holds the call unless its code has ended there.
    if (turn.started && !returned) this.#options.send(turn, entry.drop, '')
  }

  /** The guest still holds a hook of a call that is over. */
  drop(binding: Binding, id: number, call: HookCall): void {
    const turn = new StepTurn(new PendingCall(0, call), 0, binding)
    turn.id = id
    turn.over = true
    this.#options.send(turn, entry.drop, '')
  }

  event(type: SandboxEvent['type'], turn: Turn | undefined, message: string): void {
    const { onEvent, group } = this.#options
    if (turn === undefined) onEvent?.({ type, plugin: group, hash: '', alone: false, message })
    else {
      const { plugin, hash, policy, hook, alone } = turn
      onEvent?.({ type, plugin, hash, policy, hook, alone, message })
    }
  }

  /** A promise was rejected in a crossing with these turns. */
  rejected(all: readonly Turn[], thrown: Thrown): void {
    const turns = turnsOf(thrown, all)
    const [first] = turns
    if (first === undefined || turns.some(({ hash }) => hash !== first.hash)) {
      const names = [...new Set(turns.map(({ plugin }) => plugin))].slice(0, 8)
      return this.event('rejection', undefined, `${thrown.kind}: ${thrown.message}, in one of ${names.join(', ')}`)
    }
    first.binding.counts.rejections++
    const { plugin } = first.binding.instance
    const message = describeThrown(thrown, plugin)
    const isOne = turns.every(({ policy, hook }) => policy === first.policy && hook === first.hook)
    if (isOne) this.event('rejection', first, message)
    else this.pluginEvent('rejection', plugin, message)
  }

  /** An event of one plugin that no single call has caused. */
  pluginEvent(type: SandboxEvent['type'], { name, hash }: PluginCode, message: string): void {
    this.#options.onEvent?.({ type, plugin: name, hash, alone: true, message })
  }

  /** Performs a grant operation. Returns true when the result is there and the hook still needs it. */
  #perform(turn: StepTurn, use: GrantUse): boolean {
    const { operation, args } = use
    try {
      const result = this.#options.grants.perform(new GrantRequest(turn, operation, args))
      if (!(result instanceof Promise)) return turn.finish(use, result, '')
      const finish = (values: readonly string[] | undefined, message: string): void => {
        if (turn.finish(use, values, message) && turn.started) this.#resume(turn, use)
      }
      result.then(
        (values) => finish(values, ''),
        (error) => finish(undefined, messageOf(error)),
      )
      return false
    } catch (error) {
      return turn.finish(use, undefined, messageOf(error))
    }
  }

  /** Performs the operations without a result. No hook waits for them, so their failures are ignored. */
  #note(turn: StepTurn): void {
    for (const { operation, args } of turn.notes) {
      try {
        const result = this.#options.grants.perform(new GrantRequest(turn, operation, args))
        if (result instanceof Promise) result.catch(() => {})
      } catch {}
    }
    turn.notes = noNotes
  }

  #reportUndeclared(turn: StepTurn): void {
    for (const field of turn.undeclared) {
      const message = this.#undeclared.message(turn.binding.instance, field)
      if (message !== undefined) this.event('undeclared', turn, message)
    }
    turn.undeclared = noNames
  }

  #resume(turn: StepTurn, use: GrantUse): void {
    if (turn.hostTime > turn.binding.instance.limits.time) return this.#costTooMuch(turn, false)
    this.#options.send(turn, entry.resume, use.result!)
  }

  #limitWait(turn: StepTurn): void {
    if (turn.deadline !== undefined) return
    turn.deadline = new WheelTimer({ onTimeout: () => this.#waitedTooLong(turn) })
    turn.deadline.arm(turn.binding.instance.limits.wait)
  }

  #waitedTooLong(turn: StepTurn): void {
    this.starve(turn, `the hook waited more than ${turn.binding.instance.limits.wait} ms`)
  }

  /** Its time on the clock is over. It has not used its CPU time, so for fault counts that weighs no more than an error. */
  starve(turn: StepTurn, message: string): void {
    if (turn.over) return
    turn.binding.counts.timeouts++
    this.event('threw', turn, message)
    this.#settle(turn, failure(turn, 'PT', message), false)
  }

  #settle(turn: StepTurn, verdict: Verdict, returned: boolean): void {
    const { pending, index, binding } = turn
    if (verdict.kind === 'failed') turn.abort()
    this.end(turn, returned)
    if (turn.tried) binding.counts.calls++
    const goesOn = this.settled(pending.call, index, verdict)
    this.#endProbe(turn, verdict)
    if (pending.over) return
    if (!goesOn || index === pending.call.steps.length - 1) return this.#end(pending)
    pending.position++
    pending.turn = undefined
    if (!pending.applying) this.#options.begin(pending)
  }

  /** Tells a flow how a step of its call ended. Returns whether the next one has its turn. */
  settled(call: HookCall, step: number, verdict: Verdict): boolean {
    try {
      return call.settle(step, verdict)
    } catch (error) {
      // An error of the flow, not of a plugin: it must neither abort the rest of the batch nor be lost.
      queueMicrotask(() => {
        throw error
      })
      return false
    }
  }

  #endProbe(turn: StepTurn, verdict: Verdict): void {
    if (!this.#options.breaker.endProbe(turn)) return
    const isOk = verdict.kind === 'done' && !turn.refused
    this.event(isOk ? 'ok-probe' : 'failed-probe', turn, verdict.kind === 'failed' ? verdict.message : '')
  }

  #end(pending: PendingCall): void {
    pending.over = true
    // The flow may have made its next call already, with the same object.
    if (pending.call.pending === pending) pending.call.pending = undefined
    this.ended()
  }
}

function failure({ binding, hook }: StepTurn, code: FailureCode, message: string): Verdict {
  const { policy, plugin } = binding.instance
  const text = `policy "${policy}" (plugin "${plugin.name}"), ${hook}, ${code}: ${message}`
  return { kind: 'failed', code, message: text }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'the grant failed'
}

/** The state that `add` has stored on a call that is under way. */
function pendingOf(call: HookCall): PendingCall | undefined {
  return call.pending as PendingCall | undefined
}
