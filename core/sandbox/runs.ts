import type { GrantHost } from '../grants/grant-host.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import type { Breaker } from './breaker.ts'
import type { CrossingLeases } from './crossing-leases.ts'
import type { SandboxEvent } from './event.ts'
import type { Emit } from './executor.ts'
import { ended as atItsEnd, holdsAll, holdsSome } from './frame.ts'
import { GrantRequest, type GrantUse } from './grant-use.ts'
import { HookRun, noNames, noNotes, none } from './hook-run.ts'
import { IdTable } from './id-table.ts'
import type { Binding } from './layout.ts'
import { PendingCall } from './pending-call.ts'
import type { FailureCode, HookCall, PluginCode, Verdict } from './plugin.ts'
import { describeThrown, type Thrown } from './trace.ts'
import { type Turn, turnsOf } from './turn.ts'
import { UndeclaredReads } from './undeclared.ts'
import { entry, ITEM, OPERATION, waits } from './wire.ts'

export interface RunsOptions {
  /** Name of the group, for events that no single plugin has caused. */
  readonly group: string
  readonly grants: GrantHost
  readonly leases: CrossingLeases | undefined
  readonly breaker: Breaker
  readonly onEvent: ((event: SandboxEvent) => void) | undefined
  /** Queues the step whose turn it is. */
  begin(pending: PendingCall): void
  /** Sends a message to a hook that has begun; `entry` is one of `wire.entry`. */
  send(run: HookRun, entry: number, text: string): void
  /** The last call under way has ended. */
  onIdle(): void
}

/** How the code of a step has failed. */
export type FailureKind = 'time' | 'memory' | 'thrown'

export const codes: Readonly<Record<FailureKind, FailureCode>> = { time: 'PT', memory: 'PM', thrown: 'PE' }
export const types = { time: 'timeout', memory: 'memory', thrown: 'threw' } as const
const counters = { time: 'timeouts', memory: 'memory', thrown: 'errors' } as const

/**
 * The calls and runs of a group that are under way: processes their records, performs their grant operations, settles
 * them.
 */
export class Runs {
  readonly #options: RunsOptions
  /** Runs that wait for a grant, by id. All other runs end in the crossing in which they begin. */
  readonly #waiting = new IdTable<HookRun>()
  #size = 0
  readonly #undeclared = new UndeclaredReads()

  constructor(options: RunsOptions) {
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
   * @param lost runs of the crossing that did not return.
   */
  restart(lost: readonly HookRun[]): void {
    const begun = [...this.#waiting.values(), ...lost]
    this.#waiting.clear()
    for (const run of begun) {
      if (!run.started) continue
      // Notes that it made before it got an answer are not repeated by its next run. Before its turn it writes none: a run
      // that is kept still has them then, any other one makes them again.
      if (run.notes.length > 0 && run.pending.run === run) this.#note(run)
      run.restart()
      if (run.replays && run !== run.pending.run) run.pending.keep(run)
      if (!run.over && run.pending.run === run) this.#options.begin(run.pending)
    }
  }

  cancel(call: HookCall): void {
    const pending = pendingOf(call)
    if (pending === undefined) return
    const { run } = pending
    if (run !== undefined) {
      run.abort()
      this.end(run, false)
      if (run.tried) run.binding.counts.calls++
      this.#options.breaker.endProbe(run)
    }
    this.#end(pending)
  }

  /** The host refused the operations of the step that is being settled. */
  refused(call: HookCall, message: string): void {
    const run = pendingOf(call)?.run
    if (run === undefined) return
    run.refused = true
    this.refusedOf(run, message)
  }

  /** The same for a member of a run. */
  refusedOf(turn: Turn, message: string): void {
    turn.binding.counts.refused++
    this.event('refused', turn, message)
  }

  /** Processes the first record of a hook. */
  processStarted(run: HookRun, record: string): void {
    if (run.pending.over) this.end(run, false)
    else this.process(run, record)
  }

  /** The run with this id when it waits for a grant; otherwise `undefined`. */
  waiting(id: number): HookRun | undefined {
    return this.#waiting.get(id)
  }

  /**
   * A hook waits in the middle of a crossing: it gets the results that are known or available immediately. The rest of
   * its record is kept for the end of the crossing. Returns an answer as in `frame.ts`.
   */
  answer(run: HookRun, record: string): string {
    if (run.over || !run.started) return holdsSome
    run.problem ??= run.addRecord(record)
    if (run.problem !== undefined) return holdsSome
    const { asked, known } = run
    run.known = none
    run.asked = none
    const results = known.map(({ result }) => result!)
    for (const use of asked) {
      // An earlier step of its call may have no verdict yet, so that this run has no turn for now.
      if (run !== run.pending.run) run.pending.keep(run)
      if (this.#options.grants.immediate?.has(use.operation) !== true) run.asked = [...run.asked, use]
      else if (this.#perform(run, use)) results.push(use.result! + this.#placeOf(run, use))
    }
    return (results.length === asked.length + known.length ? holdsAll : holdsSome) + results.join(OPERATION)
  }

  /** What the dispatcher learns with a result: see `frame.ts`. */
  #placeOf(run: HookRun, use: GrantUse): string {
    const place = this.#options.leases?.place(run, use)
    return place === undefined ? '' : ITEM + place
  }

  /**
   * Processes the record of a hook that waited, from the crossing that resumed it.
   *
   * @param record empty when there is nothing new.
   */
  processResumed(run: HookRun, record: string): void {
    if (record === '' || run.over) return
    this.process(run, record === atItsEnd ? '' : record)
  }

  /**
   * Processes records that hooks sent after they waited. Those for calls that have ended are one event together: a plugin
   * can send thousands of them in one crossing.
   */
  receive(records: readonly Parameters<Emit>[]): void {
    let late = 0
    for (const [plugin, id, text] of records) {
      const run = this.#waiting.get(id)
      // A plugin must not send records for calls of other plugins.
      if (run === undefined || run.over || run.binding.plugin !== plugin) late++
      else this.process(run, text)
    }
    if (late > 0) this.event('late', undefined, `${late} records arrived for calls that have ended`)
  }

  /** Processes a record of a hook. */
  process(run: HookRun, text: string): void {
    if (run.over) return
    const problem = run.problem ?? run.addRecord(text)
    if (run.notes.length > 0) this.#note(run)
    if (run.undeclared.length > 0) this.#reportUndeclared(run)
    // A record without a wait is the last one of its hook.
    if (problem !== undefined) return this.fail(run, 'thrown', problem, !waits(text))
    if (run.hostTime > run.binding.instance.limits.time) return this.#costTooMuch(run, !waits(text))
    if (run.waits) this.#waiting.set(run.id, run)
    const { asked, known } = run
    run.asked = none
    run.known = none
    for (const use of asked) if (this.#perform(run, use)) this.#resume(run, use)
    for (const use of known) this.#resume(run, use)
    if (run.waits) this.#limitWait(run)
    else this.#settle(run, { kind: 'done', operations: run.operations }, true)
  }

  /** @param returned the code of the hook has ended. */
  fail(run: HookRun, kind: FailureKind, message: string, returned = false): void {
    if (run.over) return
    run.binding.counts[counters[kind]]++
    this.event(types[kind], run, message)
    this.#settle(run, failure(run, codes[kind], message), returned)
  }

  #costTooMuch(run: HookRun, returned: boolean): void {
    const { time } = run.binding.instance.limits
    this.fail(run, 'time', `what the hook wrote and asked for took the gateway more than ${time} ms`, returned)
  }

  /** The step fails without running. */
  deny(run: HookRun, code: FailureCode, message: string): void {
    if (run.over) return
    run.binding.counts.denied++
    this.#settle(run, failure(run, code, message), true)
  }

  /** The run is over; records that still arrive are ignored. */
  end(run: HookRun, returned: boolean): void {
    run.over = true
    run.release()
    if (run.deadline !== undefined) {
      run.deadline.disarm()
      this.#waiting.delete(run.id)
    }
    // The guest still holds the call unless its code has ended there.
    if (run.started && !returned) this.#options.send(run, entry.drop, '')
  }

  /** The guest still holds a hook of a call that is over. */
  drop(binding: Binding, id: number, call: HookCall): void {
    const run = new HookRun(new PendingCall(0, call), 0, binding)
    run.id = id
    run.over = true
    this.#options.send(run, entry.drop, '')
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

  /** Performs a grant operation. Returns true when the result is there and the run still needs it. */
  #perform(run: HookRun, use: GrantUse): boolean {
    const { operation, args } = use
    try {
      const result = this.#options.grants.perform(new GrantRequest(run, operation, args))
      if (!(result instanceof Promise)) return run.finish(use, result, '')
      const finish = (values: readonly string[] | undefined, message: string): void => {
        if (run.finish(use, values, message) && run.started) this.#resume(run, use)
      }
      result.then(
        (values) => finish(values, ''),
        (error) => finish(undefined, messageOf(error)),
      )
      return false
    } catch (error) {
      return run.finish(use, undefined, messageOf(error))
    }
  }

  /** Performs the operations without a result. No hook waits for them, so their failures are ignored. */
  #note(run: HookRun): void {
    for (const { operation, args } of run.notes) {
      try {
        const result = this.#options.grants.perform(new GrantRequest(run, operation, args))
        if (result instanceof Promise) result.catch(() => {})
      } catch {}
    }
    run.notes = noNotes
  }

  #reportUndeclared(run: HookRun): void {
    for (const field of run.undeclared) {
      const message = this.#undeclared.message(run.binding.instance, field)
      if (message !== undefined) this.event('undeclared', run, message)
    }
    run.undeclared = noNames
  }

  #resume(run: HookRun, use: GrantUse): void {
    if (run.hostTime > run.binding.instance.limits.time) return this.#costTooMuch(run, false)
    this.#options.send(run, entry.resume, use.result!)
  }

  #limitWait(run: HookRun): void {
    if (run.deadline !== undefined) return
    run.deadline = new WheelTimer({ onTimeout: () => this.#waitedTooLong(run) })
    run.deadline.arm(run.binding.instance.limits.wait)
  }

  #waitedTooLong(run: HookRun): void {
    this.starve(run, `the hook waited more than ${run.binding.instance.limits.wait} ms`)
  }

  /** Its time on the clock is over. It has not used its CPU time, so for fault counts that weighs no more than an error. */
  starve(run: HookRun, message: string): void {
    if (run.over) return
    run.binding.counts.timeouts++
    this.event('threw', run, message)
    this.#settle(run, failure(run, 'PT', message), false)
  }

  #settle(run: HookRun, verdict: Verdict, returned: boolean): void {
    const { pending, index, binding } = run
    if (verdict.kind === 'failed') run.abort()
    this.end(run, returned)
    if (run.tried) binding.counts.calls++
    const goesOn = this.settled(pending.call, index, verdict)
    this.#endProbe(run, verdict)
    if (pending.over) return
    if (!goesOn || index === pending.call.steps.length - 1) return this.#end(pending)
    pending.position++
    pending.run = undefined
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

  #endProbe(run: HookRun, verdict: Verdict): void {
    if (!this.#options.breaker.endProbe(run)) return
    const isOk = verdict.kind === 'done' && !run.refused
    this.event(isOk ? 'ok-probe' : 'failed-probe', run, verdict.kind === 'failed' ? verdict.message : '')
  }

  #end(pending: PendingCall): void {
    pending.over = true
    // The flow may have made its next call already, with the same object.
    if (pending.call.pending === pending) pending.call.pending = undefined
    this.ended()
  }
}

function failure({ binding, hook }: HookRun, code: FailureCode, message: string): Verdict {
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
