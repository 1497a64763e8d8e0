import type { Problem } from './problem.ts'

/** The configuration was refused; the gateway did not start, or kept what it had. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** All that is wrong with it. */
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} in the configuration`)
    this.problems = problems
  }
}
