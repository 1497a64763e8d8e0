import type { Fleet } from '../fleet.ts'
import type { Lab } from '../lab.ts'
import type { Table } from '../results.ts'
import type { Subject } from '../subject.ts'

/** How long and how often. */
export interface Effort {
  readonly quick: boolean
  /** Of one measurement. */
  readonly seconds: number
  readonly rounds: number
  /** The longest that a subject is given work before it is measured. */
  readonly warmUpSeconds: number
}

/** What a scenario works with. */
export interface Bench {
  readonly lab: Lab
  readonly fleet: Fleet
  readonly effort: Effort
  /** Port of the backend itself. */
  readonly backendPort: number
  readonly say: (line: string) => void
}

export interface Scenario {
  /** As `--only` takes it. */
  readonly name: string
  readonly title: string
  readonly subjects: readonly Subject[]
  /** What is not installed, besides the subjects; `undefined` when it can run. Default: nothing else is needed. */
  missing?(): string | undefined
  /** @param subjects those of `subjects` that can be measured here. */
  run(bench: Bench, subjects: readonly Subject[]): Promise<Table[]>
}
