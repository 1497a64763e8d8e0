import type { HookName } from '../hooks/points.ts'

/** Something about plugins that a log should hold. */
export interface SandboxEvent {
  /**
   * `threw`, `timeout`, `memory`: a call failed so · `replaced`: an isolate was given up and a new one takes its place ·
   * `rejection`: a plugin left a promise rejected, no call has failed by it · `late`: something came for a call that was
   * over.
   */
  readonly type: 'threw' | 'timeout' | 'memory' | 'replaced' | 'rejection' | 'late'
  /** The plugin to blame; of a replaced isolate its group's publisher. */
  readonly plugin: string
  readonly policy?: string
  readonly hook?: HookName
  readonly message: string
}
