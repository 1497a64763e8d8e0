import type { GrantError } from '../../../sdk/grants.ts'

/** The error that a plugin catches when a grant operation fails. */
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
