import { rmSync } from 'node:fs'
import type { Challenge } from '../acme/acme-state.ts'
import type { CounterWorker } from '../grants/counter/authority.ts'
import { readCrashSlot } from '../guard/crash-slot.ts'
import type { BoundHandle } from '../listen/listener.ts'
import type { SessionNews } from '../listen/session-places.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { Log } from '../telemetry/log.ts'
import { sayUnwritable } from '../telemetry/standard-error.ts'
import type { AcmeRelay } from './acme-relay.ts'
import type { ToSupervisor, ToWorker } from './channel.ts'
import type { PackedConfig } from './packed-config.ts'
import type { SharedState } from './shared-state.ts'
import { SlotSessions } from './slot-sessions.ts'
import type { SlotSockets } from './slot-socket.ts'
import type { Spare } from './spare.ts'
import type { WorkerDeath, WorkerProcess } from './worker-process.ts'

/** A configuration in force, and the code that the sandbox needs to run its plugins. */
export interface Current {
  readonly generation: number
  readonly packed: PackedConfig
  readonly runtime: Runtime
}

/** The supervisor, as a slot uses it. */
export interface SlotHost {
  readonly log: Log
  readonly shared: SharedState
  readonly acme: AcmeRelay
  readonly stopping: boolean
  readonly current: Current
  readonly spare: Spare
  listeners(): [key: string, name: string][]
  sockets(key: string): SlotSockets | undefined
  onServing(): void
  /** A worker has drained; so many of its requests and connections did not end by themselves. */
  onDrained(cutOff: number): void
}

/**
 * Deaths within a minute after which a worker is still replaced immediately; after more, with a delay. Those that lead to a
 * quarantine do not count.
 */
const tolerated = 5
const minute = 60_000

/**
 * Holds one worker at a time. When the worker dies, a new one takes over its sockets and the connections that wait in
 * them.
 */
export class WorkerSlot {
  readonly #index: number
  readonly #count: number
  readonly #host: SlotHost
  #worker: WorkerProcess | undefined
  #counters: CounterWorker | undefined
  readonly #sessions = new SlotSessions()
  /** Those that were replaced and have not ended yet, each with what is called when it has. */
  readonly #replaced = new Map<WorkerProcess, (() => void)[]>()
  #serving = false
  #leading = false
  #deaths: number[] = []
  #restart: NodeJS.Timeout | undefined
  #onEnd: (() => void)[] = []

  /** @param count of all slots */
  constructor(index: number, count: number, host: SlotHost) {
    this.#index = index
    this.#count = count
    this.#host = host
  }

  get serving(): boolean {
    return this.#serving
  }

  /** Whether it has a worker that may have something to finish. */
  get hasWork(): boolean {
    return this.#serving || this.#replaced.size > 0
  }

  /** Starts a worker with the configuration in force. Resolves with why it cannot run; `undefined` when it can. */
  async start(): Promise<string | undefined> {
    const began = performance.now()
    const worker = this.#host.spare.take()
    const counters = this.#host.shared.counters.join((news) => worker.send({ type: 'counters', news }))
    this.#counters = counters
    worker.on({
      onMessage: (message) => this.#hear(message, worker, counters),
      onExit: (death) => this.#died(worker, death),
    })
    this.#worker = worker
    worker.send({ type: 'slot', index: this.#index, of: this.#count })
    worker.send({ type: 'sessions', news: this.#sessions.news })
    const { shared, acme } = this.#host
    for (const message of [...shared.briefing(), ...acme.briefing()]) worker.send(message)
    let generation = -1
    // A reload may happen in between, because it does not wait for workers that do not serve yet.
    while (generation !== this.#host.current.generation) {
      const { current } = this.#host
      generation = current.generation
      const keys = this.#host.listeners().map(([key]) => key)
      const problem = await worker.prepare(generation, current.packed, current.runtime, this.#lend(keys))
      if (problem !== undefined) return problem
      await worker.commit(generation)
    }
    if (this.#worker !== worker) return undefined
    this.#serving = true
    this.#host.log.info('worker started', {
      slot: this.#index,
      pid: worker.pid,
      ms: Math.round(performance.now() - began),
    })
    this.#host.onServing()
    return undefined
  }

  prepare({ generation, packed, runtime }: Current, added: readonly string[]): Promise<string | undefined> {
    return this.#worker?.prepare(generation, packed, runtime, this.#lend(added)) ?? Promise.resolve(undefined)
  }

  commit(generation: number): Promise<void> {
    return this.#worker?.commit(generation) ?? Promise.resolve()
  }

  tell(message: ToWorker): void {
    this.#worker?.send(message)
  }

  get leading(): boolean {
    return this.#leading
  }

  /** Resolves when the worker answers these challenges, and no others, or has exited. */
  async challenge(challenges: readonly Challenge[]): Promise<void> {
    await this.#worker?.ask({ kind: 'challenge', challenges }).catch(() => {})
  }

  lead(on: boolean): void {
    if (on === this.#leading) return
    this.#leading = on
    this.tell({ type: 'lead', on })
  }

  /** Resolves when the worker has exited. One that does not serve yet has nothing to finish. */
  drain(): Promise<void> {
    for (const worker of this.#replaced.keys()) worker.send({ type: 'drain', replaced: false })
    if (this.#serving) return this.#end(() => this.tell({ type: 'drain', replaced: false }))
    return this.#end(() => this.#worker?.kill('SIGKILL'))
  }

  /** Process id of the worker; `undefined` without one. */
  get pid(): number | undefined {
    return this.#worker?.pid
  }

  kill(): Promise<void> {
    for (const worker of this.#replaced.keys()) worker.kill('SIGKILL')
    return this.#end(() => this.#worker?.kill('SIGKILL'))
  }

  async #end(order: () => void): Promise<void> {
    clearTimeout(this.#restart)
    const ends = [...this.#replaced.values()]
    if (this.#worker !== undefined) ends.push(this.#onEnd)
    const ended = Promise.all(ends.map((list) => new Promise<void>((resolve) => void list.push(resolve))))
    if (this.#worker !== undefined) order()
    await ended
  }

  /**
   * The worker was told to end. Its successor serves before it stops reading: connections and datagrams would have to wait for
   * the end of its drain.
   */
  async #replace(worker: WorkerProcess, counters: CounterWorker): Promise<void> {
    const host = this.#host
    // The drain of the gateway has reached it, or will.
    if (host.stopping || this.#replaced.has(worker)) return
    if (this.#worker !== worker || !this.#serving) return worker.send({ type: 'drain', replaced: false })
    const onEnd: (() => void)[] = []
    this.#replaced.set(worker, onEnd)
    worker.on({
      onMessage: (message) => this.#hear(message, worker, counters),
      onExit: (death) => this.#left(worker, counters, death),
    })
    this.lead(false)
    host.acme.left(this)
    this.#serving = false
    host.onServing()
    const problem = await this.start()
    if (problem === undefined) host.log.info('worker replaced', { slot: this.#index, pid: worker.pid })
    else this.#failed(problem)
    worker.send({ type: 'drain', replaced: problem === undefined })
  }

  /** A worker that was replaced has ended. */
  #left(worker: WorkerProcess, counters: CounterWorker, { code, signal, report }: WorkerDeath): void {
    const last = readCrashSlot(worker.slotFile)
    rmSync(worker.slotFile, { force: true })
    counters.leave()
    const onEnd = this.#replaced.get(worker) ?? []
    this.#replaced.delete(worker)
    for (const resolve of onEnd) resolve()
    if (code === 0 || this.#host.stopping) return
    this.#host.shared.blame(report, last)
    this.#host.log.error('worker died', { slot: this.#index, pid: worker.pid, code, signal })
  }

  #lend(keys: readonly string[]): Map<string, BoundHandle> {
    const handles = new Map<string, BoundHandle>()
    for (const key of keys) {
      const sockets = this.#host.sockets(key)
      if (sockets !== undefined) handles.set(key, sockets.lend(this.#index))
    }
    return handles
  }

  #hear(message: ToSupervisor, worker: WorkerProcess, counters: CounterWorker): void {
    const { shared, acme } = this.#host
    if (message.type === 'health') shared.health(message.reports, this)
    else if (message.type === 'events') shared.events(message.events)
    else if (message.type === 'counters') counters.hear(message.orders)
    else if (message.type === 'unwritable') sayUnwritable(message.problem)
    else if (message.type === 'challenges') void acme.challenge(message.id, message.challenges, this)
    else if (message.type === 'issued') acme.issued(message.certificate, this)
    else if (message.type === 'sessions') this.#hearSessions(message.news, worker)
    else if (message.type === 'leaving') void this.#replace(worker, counters)
    else if (message.type === 'drained') this.#host.onDrained(message.cutOff)
  }

  /** What ends in a worker that was replaced goes on in its successor. */
  #hearSessions(news: SessionNews, worker: WorkerProcess): void {
    const known = this.#replaced.has(worker) ? { placed: news.placed, ended: [] } : news
    this.#sessions.hear(known)
    if (known !== news && known.placed.length > 0) this.tell({ type: 'sessions', news: known })
  }

  #died(worker: WorkerProcess, { code, signal, report }: WorkerDeath): void {
    const host = this.#host
    const last = readCrashSlot(worker.slotFile)
    rmSync(worker.slotFile, { force: true })
    this.#counters?.leave()
    host.acme.left(this)
    this.#worker = undefined
    this.#serving = false
    this.#leading = false
    for (const resolve of this.#onEnd.splice(0)) resolve()
    if (host.stopping) return
    // The quarantine bounds the deaths that lead to it. With a delay for them, a few plugins could close all slots at once.
    const delay = host.shared.blame(report, last) ? 0 : this.#delay()
    const facts = { slot: this.#index, pid: worker.pid, code, signal, restartIn: delay }
    host.log.error('worker died', {
      ...facts,
      report: report.trim() || undefined,
      suspects: last.calls.map(({ policy }) => policy),
    })
    host.onServing()
    if (delay === 0) return void this.#startAgain()
    // Connections in this slot's sockets would have to wait for all of the delay.
    for (const [key] of host.listeners()) host.sockets(key)?.closeSlot(this.#index)
    this.#restart = setTimeout(() => void this.#startAgain(), delay)
  }

  async #startAgain(): Promise<void> {
    const problem = await this.start()
    if (problem !== undefined) this.#failed(problem)
  }

  #failed(problem: string): void {
    if (this.#host.stopping) return
    this.#host.log.error('worker cannot start', { slot: this.#index, problem })
    this.#worker?.kill('SIGKILL')
  }

  /**
   * Delay of the next start, ms: 0 for the first 5 deaths that count within a minute, then 1 s, twice as long each time,
   * at most 60 s.
   */
  #delay(): number {
    const now = performance.now()
    this.#deaths = [...this.#deaths.filter((at) => now - at < minute), now]
    const excess = this.#deaths.length - tolerated
    return excess <= 0 ? 0 : Math.min(minute, 1_000 * 2 ** (excess - 1))
  }
}
