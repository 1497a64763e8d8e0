import { type OutcomeCode, PosternError } from '../errors.ts'
import { type Expiring, WheelTimer } from '../net/timer-wheel.ts'

/** What a timeout fails. */
export interface Failing {
  fail(error: PosternError): void
}

/**
 * The time limits of a request: one for the side it is waiting for, client or backend, which may fire up to 200 ms late; and
 * the route's limit for the whole request.
 */
export class Deadline implements Expiring {
  readonly #flow: Failing
  readonly #timer = new WheelTimer(this)
  #total: NodeJS.Timeout | undefined
  #after = 0
  #code: OutcomeCode = 'UT'
  #message = ''
  #status: number | undefined

  constructor(flow: Failing) {
    this.#flow = flow
  }

  /** Limits the whole request, ms. */
  limitAll(ms: number): void {
    const late = new PosternError('UT', `the request took longer than the ${ms} ms that its route allows`)
    this.#total = setTimeout(() => this.#flow.fail(late), ms)
  }

  /** Removes the limit for the whole request. */
  unlimitAll(): void {
    clearTimeout(this.#total)
  }

  /** Waits for the client to send more of the body. */
  awaitClient(ms: number): void {
    this.#set(ms, 'DPE', 'no request body data from the client', 408)
  }

  /** Waits for the backend to send the head of its response. */
  awaitHead(ms: number): void {
    this.#set(ms, 'UT', 'no response head from the backend', undefined)
  }

  /** Waits for the backend to send more of its response, or for the client to read more of it. */
  awaitData(ms: number): void {
    this.#set(ms, 'SI', 'no response data', undefined)
  }

  /** Waits for neither side. */
  pause(): void {
    this.#timer.disarm()
  }

  end(): void {
    this.#timer.disarm()
    clearTimeout(this.#total)
  }

  onTimeout(): void {
    const status = this.#status === undefined ? {} : { status: this.#status }
    this.#flow.fail(new PosternError(this.#code, `${this.#message} for ${this.#after} ms`, status))
  }

  #set(after: number, code: OutcomeCode, message: string, status: number | undefined): void {
    this.#after = after
    this.#code = code
    this.#message = message
    this.#status = status
    this.#timer.arm(after)
  }
}
