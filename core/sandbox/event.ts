import type { HookName } from '../../sdk/points.ts'

/** An event of a plugin or an isolate, for the log and for the supervisor's fault counts. */
export interface SandboxEvent {
  /**
   * `threw`, `timeout`, `memory`: how a call failed; a call that waited too long counts as `threw` · `refused`: the
   * host refused what a policy wrote · `replaced`: an isolate was replaced by another one · `rejection`: a plugin did
   * not handle a rejected promise; no call has failed because of it · `late`: records arrived for calls that had
   * ended · `undeclared`: a hook read a field that its plugin does not declare · `ok-probe`, `failed-probe`: result of
   * the one call that a plugin in state `half-open` was allowed · `console`: a plugin wrote to `console`.
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
    | 'console'
  /** The plugin that caused it. The group's name when the event is about an isolate or the cause is unknown. */
  readonly plugin: string
  /** Hash of that plugin's script; empty when no plugin is known to have caused it. */
  readonly hash: string
  readonly policy?: string
  readonly hook?: HookName
  /** The call crossed alone, so no other plugin can have caused it. */
  readonly alone: boolean
  readonly message: string
}
