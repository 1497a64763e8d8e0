import { GrantError } from '../grants/grant-error.ts'
import type { GrantCall } from '../grants/operation.ts'
import type { Origin } from '../grants/origin.ts'
import type { Taken } from './crossing-leases.ts'
import type { PluginCode } from './plugin.ts'
import type { StepTurn } from './step-turn.ts'
import { escapeText, UNIT } from './wire.ts'

/**
 * One grant operation that a hook has asked for. The host keeps it while the hook runs. When the isolate is replaced in
 * the meantime, the hook runs again from its start and gets the same results, so that nothing is done twice.
 */
export class GrantUse {
  readonly number: number
  readonly operation: string
  readonly args: readonly string[]
  /** Input of the guest's `resume`; `undefined` until the operation is done. */
  result: string | undefined
  /** The operation is done and has not failed. */
  succeeded = false
  /** Which of the hook's operations was done first, second, …: one that begins again gets the results in the same order. */
  order = 0

  constructor(number: number, operation: string, args: readonly string[]) {
    this.number = number
    this.operation = operation
    this.args = args
  }

  same(operation: string, args: readonly string[]): boolean {
    return (
      operation === this.operation && args.length === this.args.length && args.every((arg, i) => arg === this.args[i])
    )
  }

  /** A take that the dispatcher has decided. */
  static decided({ number, lease, cost, allowed, remaining, reset }: Taken, order: number): GrantUse {
    const { points, duration } = lease.limit
    const use = new GrantUse(number, 'counter.take', [lease.key, `${points}`, `${duration}`, `${cost}`])
    use.succeed([allowed ? '1' : '', `${remaining}`, `${reset}`], order)
    return use
  }

  succeed(values: readonly string[], order: number): void {
    this.order = order
    this.succeeded = true
    this.result = `${this.number}${UNIT}1`
    for (const value of values) this.result += UNIT + escapeText(value)
  }

  fail(message: string, order: number): void {
    this.order = order
    this.succeeded = false
    this.result = `${this.number}${UNIT}${UNIT}${escapeText(message)}`
  }
}

const noOrigins: readonly Origin[] = []

/** One operation of a hook, as the grants receive it. */
export class GrantRequest implements GrantCall {
  readonly operation: string
  readonly args: readonly string[]
  readonly #turn: StepTurn

  constructor(turn: StepTurn, operation: string, args: readonly string[]) {
    this.operation = operation
    this.args = args
    this.#turn = turn
  }

  get policy(): string {
    return this.#turn.policy
  }
  get plugin(): PluginCode {
    return this.#turn.binding.instance.plugin
  }
  get origins(): readonly Origin[] {
    const listed = this.#turn.binding.instance.fetch ?? noOrigins
    const { backend } = this.#turn.pending.call
    // Before the others: it says how TLS with the backend is to be.
    return backend === undefined ? listed : [backend, ...listed]
  }
  get request(): string {
    return this.#turn.flow
  }
  /** Made on first use: most grants never read it, and an AbortController costs as much as a call. */
  get signal(): AbortSignal {
    return this.#turn.signal
  }
  hold(bytes: number): void {
    // A hook need not wait for what it has asked for.
    const problem = this.#turn.holdApart(bytes)
    if (problem !== undefined) throw new GrantError(problem)
  }
  spend(ms: number): void {
    this.#turn.spend(ms)
  }
}
