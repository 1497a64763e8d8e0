import type { Executor } from './executor.ts'
import { StartError } from './plugin-build-error.ts'

/** Opens a new executor and starts the plugins of a group in it, except those whose indexes are named. */
export type OpenWithout = (without: ReadonlySet<number>) => Executor

/** The active executor of a group, and the spare that replaces it immediately when it is lost. */
export class ExecutorPair {
  readonly #openWithout: OpenWithout
  readonly #onStartFailed: (error: StartError, isSpare: boolean) => void
  #active: Executor | undefined
  #spare: Executor | undefined
  #preparing: NodeJS.Immediate | undefined
  #missing: ReadonlySet<number> = new Set()
  #closed = false

  /**
   * @throws {StartError} when a plugin does not start. Later on a plugin that does not start only loses its own calls,
   * see `lacks`.
   */
  constructor(open: OpenWithout, onStartFailed: (error: StartError, isSpare: boolean) => void) {
    this.#openWithout = open
    this.#onStartFailed = onStartFailed
    this.#active = open(new Set())
    this.#prepare()
  }

  /** The active executor; opened here if missing. */
  get active(): Executor {
    this.#active ??= this.#build()
    return this.#active
  }

  /** Opens the active executor if missing: before a crossing is timed, since it takes longer than a hook may. */
  open(): void {
    try {
      this.#active ??= this.#build()
    } catch {
      // The crossing tries again, and fails with the reason.
    }
  }

  /** The plugin did not start when the active executor was opened. */
  lacks(plugin: number): boolean {
    return this.#missing.has(plugin)
  }

  /** Every plugin started when the active executor was opened. */
  get isWhole(): boolean {
    return this.#missing.size === 0
  }

  /** What both account for of the memory of the process, MB. */
  held(): number {
    return (this.#active?.held() ?? 0) + (this.#spare?.held() ?? 0)
  }

  isCrowded(): boolean {
    return this.#active?.isCrowded() === true
  }

  /** Disposes of the active executor. The spare becomes active, and the next spare is built after this turn. */
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
        const executor = this.#openWithout(without)
        this.#missing = without
        return executor
      } catch (error) {
        if (!(error instanceof StartError) || without.has(error.plugin)) throw error
        without.add(error.plugin)
        this.#onStartFailed(error, false)
      }
    }
  }

  #prepare(): void {
    if (this.#closed || this.#preparing !== undefined) return
    this.#preparing = setImmediate(() => {
      this.#preparing = undefined
      if (this.#spare !== undefined) return
      try {
        this.#spare = this.#openWithout(new Set())
      } catch (error) {
        // Without a spare, `#build` opens the next executor on demand, without the plugins that do not start.
        if (error instanceof StartError) this.#onStartFailed(error, true)
      }
    })
  }
}
