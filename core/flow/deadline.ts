import { type OutcomeCode, PosternError } from '../errors.ts'

/** The one time limit that a flow is under at the moment, with the outcome that missing it means. */
export class Deadline {
  readonly #onMissed: (error: PosternError) => void
  #timer: NodeJS.Timeout | undefined
  #after = 0
  #code: OutcomeCode = 'UT'
  #message = ''
  #status: number | undefined

  constructor(onMissed: (error: PosternError) => void) {
    this.#onMissed = onMissed
  }

  /** Starts anew; `after` in milliseconds. */
  set(after: number, code: OutcomeCode, message: string, status?: number): void {
    this.#code = code
    this.#message = message
    this.#status = status
    if (this.#timer !== undefined && after === this.#after) {
      this.#timer.refresh()
      return
    }
    clearTimeout(this.#timer)
    this.#after = after
    this.#timer = setTimeout(miss, after, this)
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  missed(): void {
    this.#timer = undefined
    const text = `${this.#message} for ${this.#after} ms`
    this.#onMissed(new PosternError(this.#code, text, this.#status === undefined ? {} : { status: this.#status }))
  }
}

function miss(deadline: Deadline): void {
  deadline.missed()
}
