import type { Steps } from '../../core/in-slices.ts'

/** Does the work from its first step to its last. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}
