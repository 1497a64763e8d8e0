import type { RunsText } from './frame.ts'
import type { RunShape } from './run-shape.ts'
import type { Thrown } from './trace.ts'

/** One step of a crossing: one entry into the realm of one plugin, for one call. */
export interface Step {
  /** Index of the plugin in its group. */
  readonly plugin: number
  readonly call: number
  /** Entry to start, or one of `wire.entry`. */
  readonly entry: number
  readonly text: string
}

/** How a crossing ended. */
export type Crossing =
  /** `rejection`: an unhandled rejection in some plugin; no call has failed because of it. */
  | { readonly kind: 'done'; readonly output: string; readonly rejection?: Thrown }
  /** The isolate is lost, and so is everything that the crossing did. */
  | { readonly kind: 'time' | 'memory' | 'thrown'; readonly message: string }

/** Runs the plugins of one group: one isolate, or, for tests of plugins, this process. */
export interface Executor {
  /**
   * Blocks while the code runs, at most `timeout` ms.
   *
   * @param runs calls of runs, which come before the steps. Default: none.
   */
  cross(steps: readonly Step[], timeout: number, runs?: RunsText): Crossing
  /** Tells it of a run, before the first call of it. Default: it serves no runs, so every call crosses as steps. */
  learn?(shape: RunShape): void
  /** Heap in use, MB. */
  heap(): number
  /** What it accounts for of the memory of the process, MB. */
  held(): number
  /** Its heap is so full that a call may fail for want of memory that others hold. */
  isCrowded(): boolean
  dispose(): void
}

/** Receives the records of hooks that waited, inside a crossing or (with the executor in this process) later. */
export type Emit = (plugin: number, call: number, record: string) => void

/**
 * Answers, in the middle of a crossing, what a hook has asked for; `frame.ts` has the format. Never throws.
 *
 * @param record what the hook has asked for since its previous record.
 */
export type Answer = (call: number, record: string) => string

/**
 * Opens an executor.
 *
 * @param without indexes of plugins to leave out; their calls fail.
 * @throws {StartError} when a plugin does not start.
 */
export type OpenExecutor = (emit: Emit, without: ReadonlySet<number>, answer: Answer) => Executor
