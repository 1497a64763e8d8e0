import type { Problem } from './problem.ts'

/** The configuration is invalid: the gateway did not start, or is still running the previous configuration. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** Every problem of the configuration. */
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} in the configuration`)
    this.problems = problems
  }
}
