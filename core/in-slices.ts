import { performance } from 'node:perf_hooks'

/** Work that can be interrupted after each of its steps; its return value is the result. */
export type Steps<T> = Generator<undefined, T, undefined>

/** Longest time that the event loop is blocked, plus one step, ms. */
const slice = 0.5

/**
 * Does the work in slices, with one turn of the event loop between two slices: a reload must not delay traffic. Work that
 * fits into one slice is done without a pause.
 *
 * @param now the clock, ms.
 */
export async function inSlices<T>(steps: Steps<T>, now: () => number = () => performance.now()): Promise<T> {
  for (;;) {
    const end = now() + slice
    do {
      // Reading the clock costs as much as a step.
      for (let i = 0; i < 8; i++) {
        const step = steps.next()
        if (step.done) return step.value
      }
    } while (now() < end)
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
