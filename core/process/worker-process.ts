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
  /** It has exited. `report` is what its watchdog wrote, empty when it wrote nothing. */
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
  /** What it was asked to prepare, by generation, and what it has in force: it is sent only the difference. */
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
    // `close` reports a broken channel; it comes after the last bytes of the report.
    this.#child.on('error', () => {})
    this.#child.on('close', (code, signal) => {
      this.#death = { code, signal, report }
      this.#questions.fail(new Error('the worker exited before it answered'))
      this.#events?.onExit(this.#death)
    })
  }

  /** Sets the listener; a worker that has exited already calls `onExit` in the next microtask. */
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
    // An error here means that the worker has just exited, which `close` reports.
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
