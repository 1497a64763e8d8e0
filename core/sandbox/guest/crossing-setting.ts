import type { Leases } from './leases.ts'
import type { Enter, GuestRun, Start } from './run.ts'

/** The host during a crossing. Each callback takes some 2 µs, so a crossing calls each of them once or twice only. */
export interface Port {
  /** Performs grant operations; `frame.ts` has the format of both strings. */
  answer(asked: string): string
  /** Receives the output of a crossing whose hooks waited: `dispatch` had to return before they could continue. */
  finish(output: string): void
}

/** What all crossings share. */
export interface CrossingSetting {
  /** By the plugin's index; not a function when the plugin did not start. */
  readonly plugins: readonly Enter[]
  /** The same for members of runs. Default: `plugins` serve them too. */
  readonly starts: readonly (Start | undefined)[]
  /** By number. */
  readonly runs: GuestRun[]
  /** Receives the index of each step before it runs, and -1 after it. */
  readonly mark: (index: number) => void
  readonly port: Port | undefined
  readonly leases: Leases | undefined
  /** Receives the output of a crossing that continued in microtasks. */
  readonly onEnd: (output: string) => void
}
