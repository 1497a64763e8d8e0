/** Why an order failed, in words for the log. */
export class AcmeProblem extends Error {
  /** The CA refuses orders for this time, ms; `undefined`: it has not said so. */
  readonly retryAfter: number | undefined

  constructor(message: string, retryAfter?: number, options?: ErrorOptions) {
    super(message, options)
    this.name = 'AcmeProblem'
    this.retryAfter = retryAfter
  }
}
