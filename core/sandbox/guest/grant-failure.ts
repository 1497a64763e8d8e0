import type { GrantError } from '../../../sdk/grants.ts'

/** What a plugin catches when a grant could not do its work. */
export class GrantFailure extends Error implements GrantError {
  override readonly name = 'GrantError'
  readonly operation: string

  constructor(operation: string, message: string) {
    super(`${operation}: ${message}`)
    this.operation = operation
  }
}
