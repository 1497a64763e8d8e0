import type { Executor } from './executor.ts'
import { StartError } from './plugin-build-error.ts'

/** Starts the plugins of a group in a new executor, but for those named. */
export type OpenWithout = (without: ReadonlySet<number>) => Executor

/** The executor of a group that works, and the spare that takes its place at once when it has to be given up. */
export class ExecutorPair {
  readonly #open: OpenWithout
  readonly #onStartFailed: (error: StartError) => void
  #active: Executor | undefined
  #spare: Executor | undefined
  #preparing: NodeJS.Immediate | undefined
  #missing: ReadonlySet<number> = new Set()
  #closed = false

  /** @throws {StartError} when a plugin does not start. Later that costs only its own calls, see `lacks`. */
  constructor(open: OpenWithout, onStartFailed: (error: StartError) => void) {
    this.#open = open
    this.#onStartFailed = onStartFailed
    this.#active = open(new Set())
    this.#prepare()
  }

  /** The executor that works, opened if need be. */
  get active(): Executor {
    this.#active ??= this.#build()
    return this.#active
  }

  /** A plugin that started before did not when the present executor was opened. */
  lacks(plugin: number): boolean {
    return this.#missing.has(plugin)
  }

  /** Gives the executor up; the spare is there at once, and the next spare is built when this turn is over. */
  replace(): void {
    this.#active?.dispose()
    this.#active = this.#spare
    this.#spare = undefined
    this.#missing = new Set()
    this.#prepare()
  }

  close(): void {
    this.#closed = true
    clearImmediate(this.#preparing)
    this.#active?.dispose()
    this.#spare?.dispose()
    this.#active = undefined
    this.#spare = undefined
  }

  #build(): Executor {
    const without = new Set<number>()
    for (;;) {
      try {
        const executor = this.#open(without)
        this.#missing = without
        return executor
      } catch (error) {
        if (!(error instanceof StartError) || without.has(error.plugin)) throw error
        without.add(error.plugin)
        this.#onStartFailed(error)
      }
    }
  }

  #prepare(): void {
    if (this.#closed || this.#preparing !== undefined) return
    this.#preparing = setImmediate(() => {
      this.#preparing = undefined
      if (this.#spare !== undefined) return
      try {
        this.#spare = this.#open(new Set())
      } catch {
        // Without a spare the next executor is opened when it is needed, and who does not start is told then.
      }
    })
  }
}
