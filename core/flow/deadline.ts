import { type OutcomeCode, PosternError } from '../errors.ts'
import { type Expiring, WheelTimer } from '../net/timer-wheel.ts'

/** What an error ends. */
export interface Crashing {
  crash(error: PosternError): void
}

/** The one time limit that a flow is under at the moment, with the outcome that missing it means. Up to 200 ms late. */
export class Deadline implements Expiring {
  readonly #flow: Crashing
  readonly #timer = new WheelTimer(this)
  #after = 0
  #code: OutcomeCode = 'UT'
  #message = ''
  #status: number | undefined

  constructor(flow: Crashing) {
    this.#flow = flow
  }

  /** Starts anew; `after` in milliseconds. */
  set(after: number, code: OutcomeCode, message: string, status?: number): void {
    this.#after = after
    this.#code = code
    this.#message = message
    this.#status = status
    this.#timer.arm(after)
  }

  clear(): void {
    this.#timer.disarm()
  }

  onTimeout(): void {
    const text = `${this.#message} for ${this.#after} ms`
    this.#flow.crash(new PosternError(this.#code, text, this.#status === undefined ? {} : { status: this.#status }))
  }
}
