import { points } from '../../sdk/points.ts'
import type { GrantHost } from '../grants/grant-host.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import type { Breaker } from './breaker.ts'
import type { SandboxEvent } from './event.ts'
import { ended as atItsEnd, holdsAll, holdsSome, leftOut } from './frame.ts'
import { GrantRequest, type GrantUse } from './grant-use.ts'
import { type HookRun, noNames, noNotes, none } from './hook-run.ts'
import { IdTable } from './id-table.ts'
import { PendingCall } from './pending-call.ts'
import type { FailureCode, HookCall, PluginCode, Verdict } from './plugin.ts'
import { UndeclaredReads } from './undeclared.ts'
import { endsSegment, entry, OPERATION, waits } from './wire.ts'

export interface RunsOptions {
  /** Name of the group, for events that no plugin is to blame for. */
  readonly group: string
  readonly grants: GrantHost
  readonly breaker: Breaker
  readonly onEvent: ((event: SandboxEvent) => void) | undefined
  /** The step whose turn it is is to cross. */
  begin(pending: PendingCall): void
  /** Sends a message to a hook that has begun; `entry` is one of `wire.entry`. */
  send(run: HookRun, entry: number, text: string): void
  /** No call is under way any more. */
  onIdle(): void
}

/** How the code of a step has failed. */
export type FailureKind = 'time' | 'memory' | 'thrown'

export const codes: Readonly<Record<FailureKind, FailureCode>> = { time: 'PT', memory: 'PM', thrown: 'PE' }
const types = { time: 'timeout', memory: 'memory', thrown: 'threw' } as const
const counters = { time: 'timeouts', memory: 'memory', thrown: 'errors' } as const

/** The calls and runs of a group that are under way: takes their records in, has grants do their work, settles them. */
export class Runs {
  readonly #options: RunsOptions
  /** Those that wait for a grant, by id: the others come to their end in the crossing that they begin in. */
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

  /**
   * The isolate is gone: every step that had begun in it begins anew.
   *
   * @param lost those of the crossing that did not return.
   */
  restart(lost: readonly HookRun[]): void {
    const begun = [...this.#waiting.values(), ...lost]
    this.#waiting.clear()
    for (const run of begun) {
      if (!run.started) continue
      // What it said before it got an answer is not said again.
      if (run.notes.length > 0) this.#note(run)
      run.restart()
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

  /** The host did not let the operations happen of the step that is being settled. */
  refused(call: HookCall, message: string): void {
    const run = pendingOf(call)?.run
    if (run === undefined) return
    run.refused = true
    run.binding.counts.refused++
    this.event('refused', run, message)
  }

  /**
   * Settles the steps of one call that crossed together, one after the other, as if each had crossed by itself.
   *
   * @param runs of the crossing; those of the call are the ones between `from` and `to`.
   * @param done how many of the crossing's steps the dispatcher came to.
   * @param records theirs; `undefined` when nobody had anything to say.
   * @param came gets those that ran.
   */
  takeIn(
    runs: readonly HookRun[],
    from: number,
    to: number,
    done: number,
    records: readonly string[] | undefined,
    came: HookRun[],
  ): void {
    const { pending } = runs[from]!
    const chained = points[pending.call.hook].kind !== 'observe'
    let ended = false
    pending.applying = true
    for (let i = from; i < to; i++) {
      const run = runs[i]!
      const text = records?.[i] ?? ''
      ended ||= i >= done || text === leftOut
      if (ended) {
        run.started = false
        continue
      }
      came.push(run)
      ended = chained && endsSegment(text)
      if (pending.over) this.end(run, false)
      else {
        pending.run = run
        this.absorb(run, text)
      }
    }
    pending.applying = false
    if (!pending.over && pending.run === undefined) this.#options.begin(pending)
  }

  /** The run with this id, if it waits for a grant. */
  waiting(id: number): HookRun | undefined {
    return this.#waiting.get(id)
  }

  /**
   * In the middle of a crossing a hook waits: what is there already, or comes at once, it gets now. The rest of its record
   * is kept for the end of the crossing. Returns an answer as in `frame.ts`.
   */
  answer(run: HookRun, record: string): string {
    if (run.over || !run.started) return holdsSome
    run.problem ??= run.absorb(record)
    if (run.problem !== undefined) return holdsSome
    const { asked, known } = run
    run.known = none
    run.asked = none
    const results = known.map(({ result }) => result!)
    for (const use of asked) {
      // Whoever comes before it in its segment may have no verdict yet, and then this run has no turn.
      if (run !== run.pending.run) run.pending.keep(run)
      if (this.#options.grants.immediate?.has(use.operation) !== true) run.asked = [...run.asked, use]
      else if (this.#perform(run, use)) results.push(use.result!)
    }
    return (results.length === asked.length + known.length ? holdsAll : holdsSome) + results.join(OPERATION)
  }

  /**
   * What a hook that waited has come to in the crossing that resumed it.
   *
   * @param record empty: nothing new.
   */
  goOn(run: HookRun, record: string): void {
    if (record === '' || run.over) return
    this.absorb(run, record === atItsEnd ? '' : record)
  }

  /** A record of a hook that waited. */
  receive(plugin: number, id: number, text: string): void {
    const run = this.#waiting.get(id)
    // Calls of other plugins are none of its business.
    this.absorb(run?.binding.plugin === plugin ? run : undefined, text)
  }

  absorb(run: HookRun | undefined, text: string): void {
    if (run === undefined || run.over) {
      this.event('late', run, 'a record arrived for a call that has ended')
      return
    }
    const problem = run.problem ?? run.absorb(text)
    if (run.notes.length > 0) this.#note(run)
    if (run.undeclared.length > 0) this.#reportUndeclared(run)
    // A record that does not say that its hook waits is its last.
    if (problem !== undefined) return this.fail(run, 'thrown', problem, !waits(text))
    if (run.waits) this.#waiting.set(run.id, run)
    const { asked, known } = run
    run.asked = none
    run.known = none
    for (const use of asked) if (this.#perform(run, use)) this.#resume(run, use)
    for (const use of known) this.#resume(run, use)
    if (run.waits) this.#limitWait(run)
    else this.#settle(run, { kind: 'done', operations: run.operations }, true)
  }

  /** @param returned its code has come to its end. */
  fail(run: HookRun, kind: FailureKind, message: string, returned = false): void {
    if (run.over) return
    run.binding.counts[counters[kind]]++
    this.event(types[kind], run, message)
    this.#settle(run, failure(run, codes[kind], message), returned)
  }

  /** It fails without having run. */
  deny(run: HookRun, code: FailureCode, message: string): void {
    if (run.over) return
    run.binding.counts.denied++
    this.#settle(run, failure(run, code, message), true)
  }

  /** Nothing of it counts any more. */
  end(run: HookRun, returned: boolean): void {
    run.over = true
    if (run.deadline !== undefined) {
      run.deadline.disarm()
      this.#waiting.delete(run.id)
    }
    // The guest still holds it, unless it has come to its end there.
    if (run.started && !returned) this.#options.send(run, entry.drop, '')
  }

  event(type: SandboxEvent['type'], run: HookRun | undefined, message: string): void {
    const { onEvent, group } = this.#options
    if (run === undefined) onEvent?.({ type, plugin: group, hash: '', alone: false, message })
    else {
      const { plugin, hash, policy, hook, pending } = run
      onEvent?.({ type, plugin, hash, policy, hook, alone: pending.alone, message })
    }
  }

  /** Something that no call is to blame for, but all code of one plugin. */
  pluginEvent(type: SandboxEvent['type'], { name, hash }: PluginCode, message: string): void {
    this.#options.onEvent?.({ type, plugin: name, hash, alone: true, message })
  }

  /** Whether the result is there, and wanted. */
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

  /** What has no result: nobody waits for it, and that it failed is nobody's concern. */
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
    this.#options.send(run, entry.resume, use.result!)
  }

  #limitWait(run: HookRun): void {
    if (run.deadline !== undefined) return
    run.deadline = new WheelTimer({ onTimeout: () => this.#waitedTooLong(run) })
    run.deadline.arm(run.binding.instance.limits.wait)
  }

  #waitedTooLong(run: HookRun): void {
    if (run.over) return
    run.binding.counts.timeouts++
    // Whoever waits uses nothing up, so to those who count it weighs no more than an error.
    const message = `the hook waited more than ${run.binding.instance.limits.wait} ms`
    this.event('threw', run, message)
    this.#settle(run, failure(run, 'PT', message), false)
  }

  #settle(run: HookRun, verdict: Verdict, returned: boolean): void {
    const { pending, index, binding } = run
    if (verdict.kind === 'failed') run.abort()
    this.end(run, returned)
    if (run.tried) binding.counts.calls++
    let goesOn = false
    try {
      goesOn = pending.call.settle(index, verdict)
    } catch (error) {
      // An error of the flow, not of a plugin: it must not take the rest of the batch with it, nor be lost.
      queueMicrotask(() => {
        throw error
      })
    }
    this.#endProbe(run, verdict)
    if (pending.over) return
    if (!goesOn || index === pending.call.steps.length - 1) return this.#end(pending)
    pending.position++
    pending.run = undefined
    if (!pending.applying) this.#options.begin(pending)
  }

  #endProbe(run: HookRun, verdict: Verdict): void {
    if (!this.#options.breaker.endProbe(run)) return
    const isOk = verdict.kind === 'done' && !run.refused
    this.event(isOk ? 'ok-probe' : 'failed-probe', run, verdict.kind === 'failed' ? verdict.message : '')
  }

  #end(pending: PendingCall): void {
    pending.over = true
    pending.call.pending = undefined
    if (--this.#size === 0) this.#options.onIdle()
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

/** What `add` has noted on a call that is under way. */
function pendingOf(call: HookCall): PendingCall | undefined {
  return call.pending as PendingCall | undefined
}
