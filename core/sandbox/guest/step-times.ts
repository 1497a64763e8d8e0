import { UNIT } from '../wire.ts'

/** Taken once: the dispatcher's global is sealed, and looking something up there is slow. */
const { now } = Date

/** The times of the steps of a crossing, by a clock that counts milliseconds: most steps take none. */
export class StepTimes {
  /** `index UNIT ms UNIT …`, as in `frame.ts`. */
  text = ''
  readonly #began = now()
  /** When the last step had ended. */
  #clock = this.#began

  /** From the beginning of the crossing until the last step had ended; negative when the clock was set back. */
  get passed(): number {
    return this.#clock - this.#began
  }

  /** A step has ended: it is charged what the clock has moved on since the last one. */
  measure(index: number): void {
    const time = now()
    if (time > this.#clock) this.#charge(`${index}`, time - this.#clock)
    this.#clock = time
  }

  /**
   * Steps that wait share what has passed since: what hooks do in microtasks does not tell whose they are, and what the
   * host does for them in the meantime is theirs, too.
   */
  share(steps: readonly { readonly index: number }[]): void {
    const time = now()
    const rest = time - this.#clock
    if (rest > 0) for (const { index } of steps) this.#charge(`${index}`, rest / steps.length)
    this.#clock = time
  }

  #charge(index: string, ms: number): void {
    this.text += (this.text === '' ? '' : UNIT) + index + UNIT + ms
  }
}
