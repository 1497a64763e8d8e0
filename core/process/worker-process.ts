import type { ChildProcess, StdioOptions } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { BoundHandle } from '../listen/listener.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { Answer, Question, QuestionKind, ToSupervisor, ToWorker } from './channel.ts'
import { changesBetween } from './config-changes.ts'
import { garbageFlags } from './garbage-flags.ts'
import { OpenQuestions } from './open-questions.ts'
import type { PackedConfig } from './packed-config.ts'
import { spawnModule } from './spawn.ts'

export interface WorkerEvents {
  onMessage(message: ToSupervisor): void
  onExit(death: WorkerDeath): void
}

export interface WorkerDeath {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The report of its watchdog; empty without one. */
  readonly report: string
}

const stdio: StdioOptions = ['ignore', 'inherit', 'inherit', 'ipc', 'pipe']
const notReady = 'the worker exited before it was ready'

/** One worker process, as the supervisor controls it. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #questions = new OpenQuestions((id, question) => this.send({ type: 'ask', id, question }))
  /** File in which the worker notes the calls that it runs, to be read after a crash. */
  readonly slotFile: string
  /** Configurations that the worker was asked to prepare, by generation. */
  readonly #sent = new Map<number, PackedConfig>()
  /** The configuration in force in the worker. Only the difference from it is sent. */
  #inForce: PackedConfig | undefined
  #events: WorkerEvents | undefined
  #death: WorkerDeath | undefined

  /**
   * Starts the process.
   *
   * @param cache folder for compiled code.
   */
  constructor(slotFile: string, cache: string) {
    this.slotFile = slotFile
    this.#child = spawnModule('worker', stdio, [slotFile], cache, process.env, garbageFlags())
    let report = ''
    // Without a descriptor for its pipes the process is not started, and has none: `close` follows.
    const reports = (this.#child.stdio as ChildProcess['stdio'] | undefined)?.[4] as Readable | undefined
    reports?.on('error', () => {})
    reports?.on('data', (chunk: Buffer) => {
      report += chunk.toString()
    })
    this.#child.on('message', (message: ToSupervisor) => {
      if (message.type === 'answer') this.#questions.answer(message.id, message.answer)
      else this.#events?.onMessage(message)
    })
    // A broken channel needs no handling here: `close` follows, after the last bytes of the report.
    this.#child.on('error', () => {})
    this.#child.on('close', (code, signal) => {
      this.#death = { code, signal, report }
      this.#questions.fail(new Error('the worker exited before it answered'))
      this.#events?.onExit(this.#death)
    })
  }

  /** Sets the listener. If the worker has already exited, `onExit` is called in the next microtask. */
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
    // An error here means that the worker has just exited; `close` reports it.
    this.#child.send(message, handle as never, { keepOpen: true }, () => {})
  }

  /** Resolves with the answer. Rejects when the worker exits before it has answered, or has already exited. */
  ask<K extends QuestionKind>(question: Question<K>): Promise<Answer<K>> {
    return this.#questions.ask(question)
  }

  /** Resolves with why the worker cannot run this configuration; `undefined` when it can. */
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
