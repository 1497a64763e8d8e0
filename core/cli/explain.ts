import { ConfigError } from '../config/config-error.ts'
import { formatProblem, printable } from '../config/problem.ts'

/** What went wrong, one line per problem. */
export function explain(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.problems.map(formatProblem)
  return [printable(error instanceof Error ? error.message : String(error))]
}
