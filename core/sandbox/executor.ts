/** One step of a crossing: what one plugin's realm is to do for one call. */
export interface Step {
  /** Index of the plugin in its group. */
  readonly plugin: number
  readonly call: number
  /** Entry to start, or one of `wire.entry`. */
  readonly entry: number
  readonly text: string
  /** Left out unless the step before it went on: see `frame.ts`. */
  readonly chained: boolean
}

/** How a crossing ended. */
export type Crossing =
  /** `rejection`: some plugin left a promise rejected; nobody's call has failed by it. */
  | { readonly kind: 'done'; readonly output: string; readonly rejection?: string }
  /** The isolate is gone, nothing of what the crossing did counts. */
  | { readonly kind: 'time' | 'memory' | 'thrown'; readonly message: string }

/** Runs the plugins of one group: one isolate, or, for tests of plugins, this process. */
export interface Executor {
  /** Takes as long as the code does, `timeout` ms at most. */
  cross(steps: readonly Step[], timeout: number): Crossing
  /** Heap in use, MB. */
  heap(): number
  dispose(): void
}

/** Takes the records of hooks that waited, inside a crossing or (in this process) later. */
export type Emit = (plugin: number, call: number, record: string) => void

/**
 * Answers, in the middle of a crossing, what a hook has asked for: `frame.ts` says how. Nothing is thrown.
 *
 * @param record what it has asked for since the last time.
 */
export type Answer = (call: number, record: string) => string

/**
 * Opens an executor.
 *
 * @param without plugins that are not to be started; their calls fail.
 * @throws {StartError} when a plugin does not start.
 */
export type OpenExecutor = (emit: Emit, without: ReadonlySet<number>, answer: Answer) => Executor
