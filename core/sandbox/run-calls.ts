import { type HookName, points } from '../../sdk/points.ts'
import { bounds } from './bounds.ts'
import type { Breaker } from './breaker.ts'
import type { Executor } from './executor.ts'
import type { ExecutorPair } from './executor-pair.ts'
import { leftOut, pieceOf, type RunsText, runHead } from './frame.ts'
import type { Binding } from './layout.ts'
import { PendingCall } from './pending-call.ts'
import type { HookCall, Run, Verdict } from './plugin.ts'
import { plainOperations } from './records.ts'
import type { RunShape } from './run-shape.ts'
import type { StepCalls } from './step-calls.ts'
import { StepTurn } from './step-turn.ts'
import type { Turn } from './turn.ts'
import { endsRun, RECORD, waits } from './wire.ts'

export interface RunCallsOptions {
  /** Indexed by `RunMember.instance`. */
  readonly bindings: readonly Binding[]
  readonly stepCalls: StepCalls
  readonly breaker: Breaker
  readonly executors: ExecutorPair
}

/** A run, as this group knows it. */
interface KnownRun {
  readonly shape: RunShape
  /** What the piece of a call begins with. */
  readonly head: string
  readonly bindings: readonly Binding[]
  /** The executor that has learnt it last. */
  learntBy: Executor | undefined
}

/** Most runs that a group keeps. Those of former configurations are among them, as long as the plugins stay the same. */
const mostRuns = 4_096
/** Most calls in a crossing: as many as the dispatcher has room for. */
const mostCalls = 256
const silence: Verdict = { kind: 'done', operations: [] }

/** One turn in a crossing, for the guard and for messages. */
class MemberTurn implements Turn {
  readonly alone = false
  binding!: Binding
  hook!: HookName
  flow = ''

  get hash(): string {
    return this.binding.instance.plugin.hash
  }
  get plugin(): string {
    return this.binding.instance.plugin.name
  }
  get policy(): string {
    return this.binding.instance.policy
  }
}

/**
 * The fast path: calls that cross as runs. A call has no object of its own here, and its members' records are read and
 * settled one after the other as they stand in the output. This holds for the usual crossing only. As soon as something
 * else happens, the call is handed over to `StepCalls`, which knows everything that can happen, from the member whose turn it
 * is: when its record asks for more than plain writes, when it was left out, when it got an answer in the middle of the
 * crossing; from the first member when the crossing is lost or a plugin is restricted.
 */
export class RunCalls {
  readonly #options: RunCallsOptions
  readonly #known = new Map<Run, KnownRun>()
  #queue: HookCall[] = []
  // The crossing under way, by call. The lists are kept, since their length is what makes a list expensive.
  readonly #calls: HookCall[] = []
  readonly #numbers: number[] = []
  readonly #runs: KnownRun[] = []
  /** Ids of their first members. */
  readonly #firsts: number[] = []
  /** The turns in the crossing under way, as long as the longest crossing so far. */
  readonly #turns: MemberTurn[] = []
  /** How many turns are in it. */
  size = 0
  /** The turn that is being settled. */
  settling: Turn | undefined

  constructor(options: RunCallsOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  /** How many calls are in the crossing under way. */
  get count(): number {
    return this.#calls.length
  }

  /** The turns in the crossing under way. */
  get turns(): readonly Turn[] {
    return this.#turns.slice(0, this.size)
  }

  /** @param number that of the call: calls are numbered in the order in which they arrived. */
  push(call: HookCall, number: number): void {
    call.number = number
    this.#queue.push(call)
  }

  /** Drops a call. Returns whether it crosses as a run, or waits to. */
  cancel(call: HookCall): boolean {
    if (!call.number) return false
    call.number = 0
    const at = this.#queue.indexOf(call)
    if (at !== -1) this.#queue.splice(at, 1)
    this.#end(call.pending as PendingCall | undefined)
    call.pending = undefined
    return true
  }

  /** @param pending what is kept of the call, if one of its members got an answer in the middle of the crossing. */
  #end(pending: PendingCall | undefined): void {
    const { stepCalls } = this.#options
    for (const turn of pending?.keptTurns ?? []) {
      turn.abort()
      stepCalls.end(turn, false)
    }
    stepCalls.ended()
  }

  // ── cross ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes calls for a crossing.
   *
   * @param first id of the first member. @param width most turns.
   * @param alone whether every step has to cross alone, so that no call may cross as a run.
   */
  take(first: number, width: number, alone: boolean): RunsText | undefined {
    let text = ''
    let taken = 0
    this.size = 0
    // Between crossings their numbers can be given to others.
    if (this.#known.size >= mostRuns) this.#known.clear()
    for (const call of this.#queue) {
      if (this.size >= width || text.length >= bounds.crossing || this.#calls.length === mostCalls) break
      const run = this.#know(call.run!)
      if (run === undefined) break
      taken++
      if (alone || !this.#isFree(run)) {
        this.#options.stepCalls.begin(this.#pendingOf(call, call.number!))
        continue
      }
      this.#calls.push(call)
      this.#numbers.push(call.number!)
      this.#runs.push(run)
      this.#firsts.push(first + this.size)
      const { hook, flow } = call
      for (const binding of run.bindings) {
        if (this.size === this.#turns.length) this.#turns.push(new MemberTurn())
        const turn = this.#turns[this.size++]!
        turn.binding = binding
        turn.hook = hook
        turn.flow = flow
      }
      text += run.head + call.text!
    }
    this.#queue.splice(0, taken)
    return text === '' ? undefined : { first, text }
  }

  /** `undefined`: there is no room before the next crossing. */
  #know(run: Run): KnownRun | undefined {
    let known = this.#known.get(run)
    if (known === undefined && this.#known.size < mostRuns) {
      const { hook, fields, members } = run
      const bindings = members.map(({ instance }) => this.#options.bindings[instance]!)
      const number = this.#known.size
      const shape: RunShape = {
        number,
        // No turn depends on what an observer did.
        chained: points[hook].kind !== 'observe',
        fields,
        members: members.map((member, k) => {
          const { plugin, entries, instance } = bindings[k]!
          const { fields, written, writes } = member
          const notes = instance.plugin.manifest.needs.filter((grant) => grant === 'log' || grant === 'metric')
          return { plugin, entry: entries[hook] ?? -1, fields, written, writes, notes }
        }),
      }
      known = { shape, head: runHead(number), bindings, learntBy: undefined }
      this.#known.set(run, known)
    }
    return known
  }

  /** No plugin of the run is restricted in any way. */
  #isFree({ bindings, shape }: KnownRun): boolean {
    const { breaker, executors } = this.#options
    if (breaker.isQuiet && executors.isWhole) return true
    return bindings.every(
      (binding, k) =>
        shape.members[k]!.entry >= 0 && breaker.isUnrestricted(binding) && !executors.lacks(binding.plugin),
    )
  }

  /** Tells the executor of the runs in the crossing that it does not know. */
  teach(executor: Executor): void {
    for (const run of this.#runs) {
      if (run.learntBy === executor) continue
      run.learntBy = executor
      executor.learn!(run.shape)
    }
  }

  /** The policy of the member with this id; `undefined` for an id that no member in the crossing has. */
  bindingOf(id: number): Binding | undefined {
    const first = this.#firsts[0]
    return first === undefined || id < first || id >= first + this.size ? undefined : this.#turns[id - first]!.binding
  }

  /** A member asks for a grant in the middle of the crossing. Returns what the host keeps of it from now on. */
  beginner(id: number): StepTurn | undefined {
    const binding = this.bindingOf(id)
    if (binding === undefined) return undefined
    let i = this.#firsts.length - 1
    while (this.#firsts[i]! > id) i--
    const call = this.#calls[i]!
    const pending = (call.pending as PendingCall | undefined) ?? new PendingCall(this.#numbers[i]!, call)
    call.pending = pending
    const member = id - this.#firsts[i]!
    const turn = pending.kept(member) ?? this.#beginTurn(pending, member, binding, id)
    pending.keep(turn)
    return turn
  }

  #beginTurn(pending: PendingCall, member: number, binding: Binding, id: number): StepTurn {
    const turn = new StepTurn(pending, member, binding)
    turn.id = id
    turn.begin()
    return turn
  }

  /** The crossing is lost: its calls begin again, each on its own. Returns the turns that had begun. */
  lose(): StepTurn[] {
    const lost: StepTurn[] = []
    for (const [i, { binding }] of this.#turns.slice(0, this.size).entries()) {
      // What a member has taken must not be taken again when it begins again.
      const id = this.#firsts[0]! + i
      if ((binding.leases?.takesOf(id).length ?? 0) > 0) this.beginner(id)
    }
    for (const [i, call] of this.#calls.entries()) {
      const pending = this.#pendingOf(call, this.#numbers[i]!)
      pending.turn = pending.kept(0) ?? this.#beginTurn(pending, 0, this.#runs[i]!.bindings[0]!, this.#firsts[i]!)
      pending.keep(pending.turn)
      lost.push(...pending.keptTurns)
    }
    this.#clear()
    return lost
  }

  #pendingOf(call: HookCall, number: number): PendingCall {
    const pending = (call.pending as PendingCall | undefined) ?? new PendingCall(number, call)
    call.pending = pending
    call.number = 0
    return pending
  }

  #clear(): void {
    this.#calls.length = 0
    this.#numbers.length = 0
    this.#runs.length = 0
    this.#firsts.length = 0
  }

  // ── process the output ─────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Settles the calls of the crossing. Those that it did not reach are the first of the next one.
   *
   * @param from where the records of runs begin. @param ran receives the bindings whose code ran.
   * @returns where they end.
   */
  read(output: string, from: number, ran: Binding[]): number {
    const isSilent = from === output.length
    const count = this.#calls.length
    let at = from
    let i = 0
    for (; i < count && (isSilent || at < output.length); i++) at = this.#readCall(i, output, at, isSilent, ran)
    const left = this.#calls.slice(i).filter((call, j) => call.number === this.#numbers[i + j])
    if (left.length > 0) this.#queue.unshift(...left)
    this.#clear()
    return at
  }

  #readCall(i: number, output: string, from: number, isSilent: boolean, ran: Binding[]): number {
    const { stepCalls } = this.#options
    const call = this.#calls[i]!
    const number = this.#numbers[i]!
    const { bindings } = this.#runs[i]!
    const last = bindings.length - 1
    let at = from
    for (let k = 0; k <= last; k++) {
      if (call.number !== number) return this.#pass(i, k, output, at, isSilent, ran)
      const end = isSilent ? at : output.indexOf(RECORD, at)
      const binding = bindings[k]!
      let verdict = silence
      if (end > at || call.pending !== undefined) {
        const isKept = (call.pending as PendingCall | undefined)?.kept(k) !== undefined
        const operations = isKept ? undefined : plainOperations(output, at, end)
        if (operations === undefined) return this.#handOver(i, k, output, at, isSilent, ran)
        binding.counts.operations += operations.length
        verdict = { kind: 'done', operations }
      }
      at = isSilent ? at : end + 1
      ran.push(binding)
      binding.counts.calls++
      // While it is settled it cannot be cancelled, and the flow may already make its next call.
      const pending = call.pending as PendingCall | undefined
      call.pending = undefined
      call.number = 0
      this.settling = this.#turns[this.#firsts[i]! - this.#firsts[0]! + k]
      const goesOn = stepCalls.settled(call, k, verdict)
      this.settling = undefined
      if (!goesOn || k === last) {
        this.#end(pending)
        return this.#pass(i, k + 1, output, at, isSilent, ran)
      }
      call.pending = pending
      call.number = number
    }
    return at
  }

  /** Reads past the records of members that have no turn any more. */
  #pass(i: number, from: number, output: string, start: number, isSilent: boolean, ran: Binding[]): number {
    const { bindings, shape } = this.#runs[i]!
    if (isSilent) return start
    let at = start
    for (let k = from; k < bindings.length; k++) {
      const end = output.indexOf(RECORD, at)
      const record = output.slice(at, end)
      at = end + 1
      if (record === leftOut) return at
      ran.push(bindings[k]!)
      if (waits(record)) this.#options.stepCalls.drop(bindings[k]!, this.#firsts[i]! + k, this.#calls[i]!)
      if (shape.chained && endsRun(record)) return at
    }
    return at
  }

  /** From this member on the call is one like all others. */
  #handOver(i: number, from: number, output: string, start: number, isSilent: boolean, ran: Binding[]): number {
    const { stepCalls } = this.#options
    const { bindings, shape } = this.#runs[i]!
    const pending = this.#pendingOf(this.#calls[i]!, this.#numbers[i]!)
    const first = this.#firsts[i]!
    pending.position = from
    pending.applying = true
    let at = start
    for (let k = from; k < bindings.length; k++) {
      const end = isSilent ? at : output.indexOf(RECORD, at)
      const record = pieceOf(output, output.slice(at, end))
      at = isSilent ? at : end + 1
      if (record === leftOut) break
      const binding = bindings[k]!
      ran.push(binding)
      const turn = pending.kept(k) ?? this.#beginTurn(pending, k, binding, first + k)
      if (pending.over) stepCalls.end(turn, !waits(record))
      else {
        pending.turn = turn
        stepCalls.process(turn, record)
      }
      if (shape.chained && endsRun(record)) break
    }
    pending.applying = false
    if (!pending.over && pending.turn === undefined) stepCalls.begin(pending)
    return at
  }
}
