import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { BoundHandle } from '../listen/listener.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { ToSupervisor, ToWorker } from './channel.ts'
import { changesBetween } from './config-changes.ts'
import type { PackedConfig } from './packed-config.ts'
import { spawnModule } from './spawn.ts'

export interface WorkerEvents {
  onMessage(message: ToSupervisor): void
  /** It is gone. `report` is what its watchdog wrote, empty when it wrote nothing. */
  onExit(death: WorkerDeath): void
}

export interface WorkerDeath {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly report: string
}

const ended = 'the worker ended before it was ready'

/** The supervisor's end of one worker process. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #prepared = new Map<number, (problem: string | undefined) => void>()
  readonly #committed = new Map<number, () => void>()
  /** Where the worker notes what runs in it, for after a crash. */
  readonly slotFile: string
  /** What it was told to prepare, by generation, and what it has in force: it is sent what is different from that. */
  readonly #sent = new Map<number, PackedConfig>()
  #inForce: PackedConfig | undefined
  #events: WorkerEvents | undefined
  #death: WorkerDeath | undefined

  /** @param cache folder for compiled code. */
  constructor(slotFile: string, cache: string) {
    this.slotFile = slotFile
    this.#child = spawnModule('worker', ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'], [slotFile], cache)
    let report = ''
    const reports = this.#child.stdio[4] as Readable
    reports.on('error', () => {})
    reports.on('data', (chunk: Buffer) => {
      report += chunk.toString()
    })
    this.#child.on('message', (message: ToSupervisor) => {
      if (message.type === 'prepared') this.#prepared.get(message.generation)?.(message.problem)
      else if (message.type === 'committed') this.#committed.get(message.generation)?.()
      else this.#events?.onMessage(message)
    })
    // A channel that breaks is told by `close`, which waits for the last bytes of the report.
    this.#child.on('error', () => {})
    this.#child.on('close', (code, signal) => {
      this.#death = { code, signal, report }
      for (const settle of this.#prepared.values()) settle(ended)
      for (const settle of this.#committed.values()) settle()
      this.#events?.onExit(this.#death)
    })
  }

  /** Tells somebody what becomes of it; one that has died already is told of at once. */
  on(events: WorkerEvents): void {
    this.#events = events
    const death = this.#death
    if (death !== undefined) queueMicrotask(() => events.onExit(death))
  }

  off(): void {
    this.#events = undefined
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  send(message: ToWorker, handle?: BoundHandle): void {
    if (this.#death !== undefined || !this.#child.connected) return
    // An error here is a worker that has just died, which `close` tells.
    this.#child.send(message, handle as never, { keepOpen: true }, () => {})
  }

  /** Resolves with why it cannot run this configuration, or nothing when it can. */
  prepare(
    generation: number,
    packed: PackedConfig,
    runtime: Runtime,
    sockets: ReadonlyMap<string, BoundHandle>,
  ): Promise<string | undefined> {
    if (this.#death !== undefined) return Promise.resolve(ended)
    return new Promise((resolve) => {
      this.#prepared.set(generation, (problem) => {
        this.#prepared.delete(generation)
        if (problem !== undefined) this.#sent.delete(generation)
        resolve(problem)
      })
      this.#sent.set(generation, packed)
      for (const [listener, handle] of sockets) this.send({ type: 'socket', listener }, handle)
      this.send({ type: 'prepare', generation, changes: changesBetween(this.#inForce, packed), runtime })
    })
  }

  commit(generation: number): Promise<void> {
    if (this.#death !== undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#committed.set(generation, () => {
        this.#committed.delete(generation)
        resolve()
      })
      this.send({ type: 'commit', generation })
      this.#inForce = this.#sent.get(generation)
      this.#sent.clear()
    })
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}
