import { performance } from 'node:perf_hooks'
import { Batch, type Task } from './batch.ts'
import { bounds } from './bounds.ts'
import { Breaker, Supervision } from './breaker.ts'
import { charge } from './charge.ts'
import type { Answer, Crossing, Emit } from './executor.ts'
import { ExecutorPair } from './executor-pair.ts'
import { holdsSome, readOutput } from './frame.ts'
import type { GroupOptions } from './group-options.ts'
import { type Binding, codeOf } from './layout.ts'
import { MemoryWatch } from './memory-watch.ts'
import type { PendingCall } from './pending-call.ts'
import type { HookCall } from './plugin.ts'
import { RunCalls } from './run-calls.ts'
import { SharedDeadline } from './shared-deadline.ts'
import { codes, StepCalls, types } from './step-calls.ts'
import { StepTurn } from './step-turn.ts'
import { entry, RECORD } from './wire.ts'

type Done = Extract<Crossing, { kind: 'done' }>
type Lost = Exclude<Crossing, Done>

/** Most steps in a crossing. */
const widest = 256
/** Times the limit that the first crossing may take: on a busy machine it loads code that later ones find loaded. */
const firstPatience = 4
/** Interval of heap checks, ms: heap statistics cost more than a call. */
const heapInterval = 1_000

/**
 * The plugins of one trust group, in one isolate. Calls are collected and cross once per turn of the event loop,
 * because a crossing with a time limit costs as much as many calls. When a crossing does not return, the isolate is
 * replaced and its calls run again in the new one, each in a crossing of its own: that identifies the call that caused
 * the loss, and the others get their normal verdicts.
 */
export class Group {
  readonly name: string
  /** Isolates that were replaced. */
  restarts = 0
  /** Heap of the isolate at the last check, MB; 0 before its first check. */
  heap = 0
  readonly #options: GroupOptions
  readonly #stepCalls: StepCalls
  readonly #executors: ExecutorPair
  readonly #runCalls: RunCalls
  /** Calls cross as runs where they can. */
  readonly #fused: boolean
  readonly #breaker: Breaker
  readonly #deadline = new SharedDeadline()
  /**
   * Most steps in the next crossing. The dispatcher's slice limits what hooks do before they first wait, not what they
   * do afterwards: that runs when all steps are done. So a slow crossing makes the next ones smaller.
   */
  #width = 16
  /** Number of the active isolate. */
  #generation = 0
  #crossings = 0
  /** Tasks for crossings with several steps. */
  #ready: Task[] = []
  /** Tasks that cross alone. */
  #alone: Task[] = []
  /** Records that arrived while a crossing ran; `undefined` outside of one. */
  #emitted: Parameters<Emit>[] | undefined
  /** The batch that is crossing now. */
  #batch: Batch | undefined
  #scheduled = false
  #closing = false
  /** Number of the last call, and id of the last turn. */
  #lastCall = 0
  #lastTurn = 0
  #heapChecked = Number.NEGATIVE_INFINITY
  /** Only in a process whose memory is looked at. */
  readonly #memory: MemoryWatch | undefined

  /** @throws {StartError} when a plugin does not start. */
  constructor(options: GroupOptions) {
    this.name = options.name
    this.#options = options
    this.#breaker = new Breaker(options.supervision ?? new Supervision())
    this.#stepCalls = new StepCalls({
      group: options.name,
      grants: options.grants,
      leases: options.leases,
      breaker: this.#breaker,
      onEvent: options.onEvent,
      begin: (pending) => this.#push(pending),
      send: (turn, number, text) => {
        this.#push({ kind: 'resume', pending: turn.pending, turn, entry: number, text, generation: this.#generation })
      },
      onIdle: () => {
        if (this.#closing) this.#schedule()
      },
    })
    const emit: Emit = (...record) => {
      if (this.#emitted === undefined) this.#stepCalls.receive([record])
      else this.#emitted.push(record)
    }
    const answer: Answer = (id, record) => {
      options.leases?.adopt()
      const turn = this.#batch?.beginner(id) ?? this.#runCalls.beginner(id) ?? this.#stepCalls.waiting(id)
      return turn === undefined || this.#batch === undefined ? holdsSome : this.#stepCalls.answer(turn, record)
    }
    this.#executors = new ExecutorPair(
      (without) => options.open(emit, without, answer),
      ({ plugin, kind, message }, isSpare) => {
        if (!isSpare) this.#breaker.lost(plugin, 'PE', this.#lastCall)
        this.#stepCalls.pluginEvent(types[kind], codeOf(options.bindings, options.name, plugin), message)
      },
    )
    const { bindings, fused = true } = options
    const breaker = this.#breaker
    this.#fused = fused && this.#executors.active.learn !== undefined
    this.#runCalls = new RunCalls({ bindings, stepCalls: this.#stepCalls, breaker, executors: this.#executors })
    const memory = options.guard?.memory
    this.#memory = memory && new MemoryWatch(memory, options.memory, this.#executors)
  }

  call(call: HookCall): void {
    const number = ++this.#lastCall
    if (!this.#fused || call.run === undefined || this.#closing) return this.#push(this.#stepCalls.add(call, number))
    this.#stepCalls.began()
    this.#runCalls.push(call, number)
    this.#schedule()
  }

  cancel(call: HookCall): void {
    if (!this.#runCalls.cancel(call)) this.#stepCalls.cancel(call)
  }

  refused(call: HookCall, message: string): void {
    const { settling } = this.#runCalls
    if (settling === undefined) this.#stepCalls.refused(call, message)
    else this.#stepCalls.refusedOf(settling, message)
  }

  close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#breaker.close(this.#lastCall)
    this.#closeWhenIdle()
  }

  // ── collect ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #push(task: Task): void {
    const isRestricted =
      task.kind === 'resume' && (this.#memory?.isAlone === true || this.#breaker.isSupervised(task.turn.hash))
    if (task.pending.alone || isRestricted) this.#alone.push(task)
    else this.#ready.push(task)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#scheduled = false
    const until = this.#alone.length > 0 ? performance.now() + bounds.slice : 0
    while (this.#alone.length > 0) {
      this.#crossAlone(this.#alone.shift()!)
      if (performance.now() >= until) break
    }
    this.#crossTogether()
    if (this.#ready.length + this.#alone.length > 0 || !this.#runCalls.isEmpty) this.#schedule()
    this.#closeWhenIdle()
  }

  /** Whether the task is still needed: its call is not over, and its isolate is the active one. */
  #isLive(task: Task): boolean {
    if (task.kind === 'start') return !task.over
    return task.generation === this.#generation && (task.entry === entry.drop || !task.turn.over)
  }

  /** The turn of the step that is due. */
  #turnOf(pending: PendingCall): StepTurn {
    pending.turn ??= this.#newTurn(pending, pending.position)
    return pending.turn
  }

  #newTurn(pending: PendingCall, index: number): StepTurn {
    const binding = this.#options.bindings[pending.call.steps[index]!.instance]!
    return pending.kept(index) ?? new StepTurn(pending, index, binding)
  }

  /** How the step whose turn it is may cross; a step that may not cross is settled here. */
  #passage(turn: StepTurn): 'together' | 'alone' | 'none' {
    const passage = this.#breaker.passage(turn)
    if (passage === 'together' && this.#memory?.isAlone === true) return 'alone'
    if (typeof passage === 'object') this.#stepCalls.deny(turn, passage.code, passage.message)
    else if (this.#executors.lacks(turn.binding.plugin)) {
      this.#stepCalls.deny(turn, 'PE', 'the plugin did not start in the new isolate')
      this.#replace('starting all plugins again')
    } else return passage
    return 'none'
  }

  // ── cross ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #crossTogether(): void {
    const calls = this.#runCalls
    const text = calls.take(this.#lastTurn + 1, this.#width, this.#memory?.isAlone === true)
    const batch =
      text === undefined ? new Batch(this.#lastTurn) : new Batch(this.#lastTurn, text, calls.turns, calls.count)
    while (this.#ready.length > 0 && batch.size + calls.size < this.#width && batch.length < bounds.crossing) {
      const task = this.#ready.shift()!
      if (!this.#isLive(task)) continue
      if (task.kind === 'resume') {
        batch.resume(task)
        continue
      }
      const turn = this.#turnOf(task)
      const passage = this.#passage(turn)
      if (passage === 'alone') this.#alone.push(task)
      if (passage === 'together') batch.start(turn)
    }
    if (batch.size + calls.size === 0) return
    this.#executors.open()
    const began = performance.now()
    const least = (bounds.slice + Math.ceil(this.#options.time)) * (this.#crossings === 0 ? firstPatience : 1)
    const crossing = this.#cross(batch, this.#deadline.limit(least, began), began, false)
    const spent = performance.now() - began
    this.#width = spent > bounds.slice * 2 ? Math.max(1, this.#width >> 2) : Math.min(widest, this.#width * 2)
    if (crossing.kind === 'done') return this.#apply(batch, crossing, spent)
    const cost = crossing.kind === 'time' ? this.#deadline.ended() : 0
    const lost = [...calls.lose(), ...batch.stepTurns]
    for (const turn of lost) turn.crossAlone(cost)
    this.#lose(batch, crossing, batch.again, lost)
  }

  #crossAlone(task: Task): void {
    if (!this.#isLive(task)) return
    // What happens in a crossing of its own is held against a plugin. So it gets an isolate that others have not filled.
    if (this.#executors.isCrowded()) {
      this.#replace('more than half of its memory was in use when a call had to cross alone')
      if (!this.#isLive(task)) return
    }
    const turn = task.kind === 'resume' ? task.turn : this.#turnOf(task)
    if (task.kind === 'start' && this.#passage(turn) === 'none') return
    const batch = new Batch(this.#lastTurn)
    if (task.kind === 'resume') batch.resume(task)
    else batch.start(turn)
    const { trial } = turn
    this.#executors.open()
    const began = performance.now()
    const crossing = this.#cross(batch, trial.begin(this.#deadline.level), began, true)
    const spent = performance.now() - began
    if (crossing.kind === 'done') return this.#apply(batch, crossing, spent)
    turn.binding.counts.time += spent
    turn.crossAlone(0)
    const ruling = crossing.kind === 'time' ? trial.ended() : 'exceeded'
    this.#deadline.learn(ruling === 'exceeded')
    if (ruling === 'again') return this.#lose(batch, crossing, `, alone; ${trial.account}; its call runs again`)
    const pause = this.#breaker.lost(turn.binding.plugin, codes[crossing.kind], this.#lastCall)
    const messages = {
      time: `the hook ${trial.failure}`,
      memory: `the hook used more than ${turn.binding.instance.limits.memory} MB`,
    }
    if (ruling === 'starved') this.#stepCalls.starve(turn, messages.time)
    else
      this.#stepCalls.fail(turn, crossing.kind, crossing.kind === 'thrown' ? crossing.message : messages[crossing.kind])
    this.#lose(batch, crossing, pause === 0 ? '' : `; plugin "${turn.plugin}" is paused for ${pause / 1_000} s`)
  }

  #cross(batch: Batch, timeout: number, now: number, alone: boolean): Crossing {
    const { guard, leases } = this.#options
    const memory = this.#memory
    this.#emitted = []
    this.#crossings++
    this.#lastTurn = batch.lastId
    for (const [i, task] of batch.tasks.entries()) if (task.kind === 'start') batch.stepTurns[i]!.begin()
    try {
      const executor = this.#executors.active
      memory?.before(now)
      if (batch.text !== undefined) this.#runCalls.teach(executor)
      guard?.enter(batch.turns, timeout, alone)
      leases?.begin(batch.stepTurns)
      this.#batch = batch
      try {
        const crossing = executor.cross(batch.steps, timeout, batch.text)
        leases?.adopt()
        return crossing
      } finally {
        this.#batch = undefined
        guard?.leave()
        memory?.after(now, alone ? batch.steps[0]!.plugin : -1)
      }
    } catch (error) {
      return { kind: 'thrown', message: error instanceof Error ? error.message : String(error) }
    }
  }

  // ── process the output ─────────────────────────────────────────────────────────────────────────────────────────────

  #apply(batch: Batch, crossing: Done, spent: number): void {
    const { guard } = this.#options
    guard?.reading?.(true)
    try {
      this.#read(batch, crossing, spent)
    } finally {
      guard?.reading?.(false)
    }
  }

  #read(batch: Batch, { output, rejection }: Done, spent: number): void {
    const emitted = this.#emitted ?? []
    this.#emitted = undefined
    if (rejection !== undefined) this.#stepCalls.rejected(batch.turns, rejection)
    const ran: Binding[] = []
    const start = output.indexOf(RECORD) + 1
    const behind = batch.text === undefined ? start : this.#runCalls.read(output, start, ran)
    const records = readOutput(output, behind)
    const done = records?.length ?? batch.size
    const left = batch.tasks.slice(done)
    for (const [i, turn] of batch.stepTurns.entries()) {
      const task = batch.tasks[i]!
      if (i >= done) turn.started &&= task.kind === 'resume'
      else {
        ran.push(turn.binding)
        if (task.kind === 'resume') this.#stepCalls.processResumed(turn, records?.[i] ?? '')
        else this.#stepCalls.processStarted(turn, records?.[i] ?? '')
      }
    }
    if (left.length > 0) this.#ready.unshift(...left)
    charge(output, spent, batch.turns, ran)
    for (const binding of ran) {
      if (binding.crossing !== this.#crossings) binding.counts.batches++
      binding.crossing = this.#crossings
    }
    this.#stepCalls.receive(emitted)
    if (this.#memory?.isFull === true) this.#retire(this.#memory)
    this.#checkHeap()
  }

  // ── replace the isolate ────────────────────────────────────────────────────────────────────────────────────────────

  /** @param lost turns that had begun in it. Default: those of its steps. */
  #lose(batch: Batch, { kind, message }: Lost, consequence = '', lost: readonly StepTurn[] = batch.stepTurns): void {
    const { memory } = this.#options
    this.#deadline.lost(performance.now())
    const why = { time: 'a crossing timed out', memory: `out of memory (limit ${memory} MB)`, thrown: message }[kind]
    this.#replace(`${why}, with ${batch.policies}${consequence}`, lost)
  }

  /**
   * Replaces the isolate. Every hook that had begun in it begins again in the next one.
   *
   * @param lost turns of the crossing that did not return.
   */
  #replace(why: string, lost: readonly StepTurn[] = []): void {
    this.#emitted = undefined
    this.#generation++
    this.restarts++
    this.#heapChecked = Number.NEGATIVE_INFINITY
    this.heap = 0
    this.#executors.replace()
    this.#memory?.replaced()
    this.#stepCalls.event('replaced', undefined, `isolate of "${this.name}": ${why}`)
    this.#stepCalls.restart(lost)
  }

  /** The isolate holds more outside of its heap than its limit allows. */
  #retire(memory: MemoryWatch): void {
    const plugin = memory.retire(performance.now())
    const message = `it holds more than ${this.#options.memory} MB outside of its heap`
    if (plugin !== undefined)
      this.#stepCalls.pluginEvent('memory', codeOf(this.#options.bindings, this.name, plugin), message)
    this.#replace(message)
  }

  /** The isolate's own limit is soft; an isolate that stays above the limit is replaced between crossings. */
  #checkHeap(): void {
    const now = performance.now()
    if (now - this.#heapChecked < heapInterval) return
    const wasOver = this.heap > this.#options.memory
    this.#heapChecked = now
    this.heap = this.#executors.active.heap()
    if (wasOver && this.heap > this.#options.memory) {
      this.#replace(`the heap stays above ${this.#options.memory} MB`)
    }
  }

  /** Closes the isolates when `close` was called and no call is under way. */
  #closeWhenIdle(): void {
    if (!this.#closing || this.#stepCalls.size > 0) return
    this.#memory?.close()
    this.#executors.close()
    this.#options.leases?.close()
    this.#ready = []
    this.#alone = []
  }
}
