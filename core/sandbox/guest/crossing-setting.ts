import type { Leases } from './leases.ts'
import type { Enter, GuestRun, Start } from './run.ts'

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
  /** Whether the host answers, in the middle of a crossing, what hooks ask for. */
  readonly canWait: boolean
  readonly leases: Leases | undefined
}
