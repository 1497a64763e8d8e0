import type { HookName } from '../../sdk/points.ts'

/** Something about plugins that a log should hold and a supervisor may count. */
export interface SandboxEvent {
  /**
   * `threw`, `timeout`, `memory`: a call failed so; one that waited too long counts as thrown · `refused`: a policy wrote
   * what it may not · `replaced`: an isolate was given up and another one takes its place · `rejection`: a plugin left a
   * promise rejected, no call has failed by it · `late`: something came for a call that was over · `undeclared`: a hook
   * read what its plugin does not declare · `ok-probe`, `failed-probe`: how the one call went that a quarantined plugin
   * was allowed.
   */
  readonly type:
    | 'threw'
    | 'timeout'
    | 'memory'
    | 'refused'
    | 'replaced'
    | 'rejection'
    | 'late'
    | 'undeclared'
    | 'ok-probe'
    | 'failed-probe'
  /** The plugin to blame; of an isolate, and where nobody can tell, the group. */
  readonly plugin: string
  /** Hash of that plugin's script; empty where no plugin is to blame. */
  readonly hash: string
  readonly policy?: string
  readonly hook?: HookName
  /** The call crossed by itself, so nobody else can be to blame. */
  readonly alone: boolean
  readonly message: string
}
