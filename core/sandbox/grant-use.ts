import { escapeText, UNIT } from './wire.ts'

/**
 * One operation of a grant that a hook has asked for. The host keeps it for as long as the hook runs: should the isolate
 * be replaced meanwhile, the hook runs again from its start and gets the same results, and nothing is done twice.
 */
export class GrantUse {
  readonly number: number
  readonly operation: string
  readonly args: readonly string[]
  /** What the guest's `resume` takes; `undefined` until the operation is done. */
  result: string | undefined
  /** Which of the hook's operations was done first, second, …: a second run sees them in the same order. */
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

  succeed(values: readonly string[], order: number): void {
    this.order = order
    this.result = `${this.number}${UNIT}1`
    for (const value of values) this.result += UNIT + escapeText(value)
  }

  fail(message: string, order: number): void {
    this.order = order
    this.result = `${this.number}${UNIT}${UNIT}${escapeText(message)}`
  }
}
