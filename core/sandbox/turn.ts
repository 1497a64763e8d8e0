import type { HookName } from '../../sdk/points.ts'
import type { GuardedCall } from './crossing-guard.ts'
import type { Binding } from './layout.ts'
import { sourceOf, type Thrown } from './trace.ts'

/** One policy's turn in a crossing. */
export interface Turn extends GuardedCall {
  readonly binding: Binding
  readonly hook: HookName
  /** It crosses alone. */
  readonly alone: boolean
}

/** Those of the plugin whose code an error comes from, as far as its stack tells; otherwise all. */
export function turnsOf(thrown: Thrown, all: readonly Turn[]): readonly Turn[] {
  const source = sourceOf(thrown)
  const own = all.filter(({ binding }) => binding.plugin === source)
  return own.length > 0 ? own : all
}
