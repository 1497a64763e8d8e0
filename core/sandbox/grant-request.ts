import type { GrantCall } from '../grants/operation.ts'
import type { Origin } from '../grants/origin.ts'
import type { HookRun } from './hook-run.ts'
import type { PluginCode } from './plugin.ts'

const nowhere: readonly Origin[] = []

/** One operation of a run as the grants see it. */
export class GrantRequest implements GrantCall {
  readonly operation: string
  readonly args: readonly string[]
  readonly #run: HookRun

  constructor(run: HookRun, operation: string, args: readonly string[]) {
    this.operation = operation
    this.args = args
    this.#run = run
  }

  get policy(): string {
    return this.#run.policy
  }
  get plugin(): PluginCode {
    return this.#run.binding.instance.plugin
  }
  get origins(): readonly Origin[] {
    return this.#run.binding.instance.fetch ?? nowhere
  }
  get request(): string {
    return this.#run.flow
  }
  /** Most grants never look at it, and an AbortController costs as much as a call. */
  get signal(): AbortSignal {
    return this.#run.signal
  }
}
