import type { Writable, WrittenField } from './plugin.ts'

/** What the dispatcher has to know of a run. The host sends it once to each isolate, as JSON, before the first call. */
export interface RunShape {
  /** Names the run in its group. */
  readonly number: number
  /** A member has no turn when the record of an earlier one ends the run: see `endsRun`. */
  readonly chained: boolean
  /** How many fields the input has. */
  readonly fields: number
  readonly members: readonly MemberShape[]
}

export interface MemberShape {
  /** Index of its plugin in the group. */
  readonly plugin: number
  readonly entry: number
  /** Its declared fields, by their index in the input. */
  readonly fields: readonly number[]
  readonly written: readonly WrittenField[]
  readonly writes: Writable
  /** Grants that it may use without waiting for a result. */
  readonly notes: readonly string[]
}
