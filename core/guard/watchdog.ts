import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { control, period, type WatchdogData, type WatchdogMemory } from './watchdog-memory.ts'

/**
 * Kills this process when a crossing makes no progress: the last resort against code that a time limit cannot
 * interrupt, such as a builtin of V8. A thread of its own polls the crossings; this class tells the thread when they
 * begin and end.
 */
export class Watchdog {
  readonly #progress: Int32Array
  readonly #control: Int32Array
  readonly #thread: Worker
  /** Polls without progress that every crossing may have, besides its own time limit. */
  readonly #hard: number

  /** @param hard how long a crossing may make no progress, ms of polling. */
  constructor(memory: WatchdogMemory, report: number, hard: number, onLost: (problem: string) => void) {
    this.#progress = new Int32Array(memory.progress)
    this.#control = new Int32Array(memory.control)
    this.#hard = Math.ceil(hard / period)
    const workerData: WatchdogData = { ...memory, report }
    // The sources have .ts files, a build has .js files.
    const file = new URL(`./watchdog-thread${extname(import.meta.url)}`, import.meta.url)
    this.#thread = new Worker(file, { workerData, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 32 } })
    this.#thread.unref()
    this.#thread.on('error', (error) => onLost(String(error)))
  }

  /** @param timeout time limit of the crossing, ms. */
  enter(number: number, timeout: number): void {
    this.#progress[1] = -1
    this.#control[control.limit] = this.#hard + Math.ceil(timeout / period)
    // The order matters: the thread marks itself asleep and then checks once more for a crossing.
    Atomics.store(this.#progress, 0, number)
    if (Atomics.load(this.#control, control.asleep) === 1) this.#wake()
  }

  leave(): void {
    Atomics.store(this.#progress, 0, 0)
  }

  close(): void {
    void this.#thread.terminate()
  }

  #wake(): void {
    Atomics.store(this.#control, control.asleep, 0)
    Atomics.notify(this.#control, control.asleep)
  }
}
