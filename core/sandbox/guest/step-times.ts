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
  /** Indexes of the steps that have waited. */
  #waited = ''

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

  /** A step waits. */
  wait(index: number): void {
    this.#waited += (this.#waited === '' ? '' : UNIT) + index
  }

  /** Those that have waited share the rest: what hooks do in microtasks does not tell whose they are. */
  shareRest(): void {
    const rest = now() - this.#clock
    const waited = this.#waited.split(UNIT)
    if (rest > 0) for (const index of waited) this.#charge(index, rest / waited.length)
  }

  #charge(index: string, ms: number): void {
    this.text += (this.text === '' ? '' : UNIT) + index + UNIT + ms
  }
}
