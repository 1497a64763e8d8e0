import type { Problems } from '../config/problems.ts'
import type { Source } from '../config/source.ts'

/** A configuration during the checks; any part of it may still be invalid. */
export interface Draft {
  readonly source: Source
  /** References resolved and defaults filled in. What was written, without defaults, is `source.value`. */
  readonly data: Readonly<Record<string, unknown>>
  readonly problems: Problems
}
