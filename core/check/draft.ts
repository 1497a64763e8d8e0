import type { Problems } from '../config/problems.ts'
import type { Source } from '../config/source.ts'

/** A configuration on its way through the checks: what of it is sound, no step knows yet. */
export interface Draft {
  readonly source: Source
  /** References resolved and defaults filled in. What was written, without defaults, is `source.value`. */
  readonly data: Readonly<Record<string, unknown>>
  readonly problems: Problems
}
