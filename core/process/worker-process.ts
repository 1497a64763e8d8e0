import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { BoundHandle } from '../listen/listener.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { Answer, Question, QuestionKind, ToSupervisor, ToWorker } from './channel.ts'
import { changesBetween } from './config-changes.ts'
import { OpenQuestions } from './open-questions.ts'
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

const notReady = 'the worker exited before it was ready'

/** The supervisor's end of one worker process. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #questions = new OpenQuestions((id, question) => this.send({ type: 'ask', id, question }))
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
      if (message.type === 'answer') this.#questions.answer(message.id, message.answer)
      else this.#events?.onMessage(message)
    })
    // A channel that breaks is told by `close`, which waits for the last bytes of the report.
    this.#child.on('error', () => {})
    this.#child.on('close', (code, signal) => {
      this.#death = { code, signal, report }
      this.#questions.fail(new Error('the worker exited before it answered'))
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

  /** Rejects when the worker exits before it has answered, or has exited already. */
  ask<K extends QuestionKind>(question: Question<K>): Promise<Answer<K>> {
    return this.#questions.ask(question)
  }

  /** Resolves with why it cannot run this configuration, or nothing when it can. */
  async prepare(
    generation: number,
    packed: PackedConfig,
    runtime: Runtime,
    sockets: ReadonlyMap<string, BoundHandle>,
  ): Promise<string | undefined> {
    for (const [listener, handle] of sockets) this.send({ type: 'socket', listener }, handle)
    const changes = changesBetween(this.#inForce, packed)
    this.#sent.set(generation, packed)
    const { problem } = await this.ask({ kind: 'prepare', generation, changes, runtime }).catch(() => ({
      problem: notReady,
    }))
    if (problem !== undefined) this.#sent.delete(generation)
    return problem
  }

  /** Resolves when the configuration is in force, or the worker has exited. */
  async commit(generation: number): Promise<void> {
    const committed = this.ask({ kind: 'commit', generation })
    this.#inForce = this.#sent.get(generation)
    this.#sent.clear()
    await committed.catch(() => {})
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}
