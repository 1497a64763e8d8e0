import { performance } from 'node:perf_hooks'

/** Work that can be interrupted after each of its steps; what it comes to is what it returns. */
export type Steps<T> = Generator<undefined, T, undefined>

/** How long the event loop is kept at most, give or take one step, ms. What comes in meanwhile waits for as long. */
const slice = 0.5

/**
 * Does the work in slices, and lets the event loop go round once between two of them: a reload must not hold up traffic.
 * What fits into one slice is done at once.
 *
 * @param now the clock, ms.
 */
export async function inSlices<T>(steps: Steps<T>, now: () => number = () => performance.now()): Promise<T> {
  for (;;) {
    const end = now() + slice
    do {
      // A look at the clock costs as much as many a step.
      for (let i = 0; i < 8; i++) {
        const step = steps.next()
        if (step.done) return step.value
      }
    } while (now() < end)
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
