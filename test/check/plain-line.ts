import { formatProblem, type Problem } from '../../core/config/problem.ts'

/** A problem as one line, without its position where it has a path: cases say what is wrong, not in which column. */
export function plainLine({ line, column, ...problem }: Problem): string {
  const position = problem.path === '' && line !== undefined ? { line, column: column ?? 1 } : {}
  return formatProblem({ ...problem, ...position })
}
