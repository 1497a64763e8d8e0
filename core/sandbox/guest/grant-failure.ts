import type { GrantError } from '../../../sdk/grants.ts'

/** What a plugin catches when a grant could not do its work. */
export class GrantFailure extends Error implements GrantError {
  override readonly name = 'GrantError'
  readonly operation: string
  readonly code: GrantError['code']
  readonly reason: string

  constructor(operation: string, reason: string, code: GrantError['code'] = 'failed') {
    super(`${operation}: ${reason}`)
    this.operation = operation
    this.code = code
    this.reason = reason
  }
}
