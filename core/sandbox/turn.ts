import type { HookName } from '../../sdk/points.ts'
import type { GuardedCall } from './crossing-guard.ts'
import type { Binding } from './layout.ts'

/** One policy's turn in a crossing. */
export interface Turn extends GuardedCall {
  readonly binding: Binding
  readonly hook: HookName
  /** It crosses alone. */
  readonly alone: boolean
}
