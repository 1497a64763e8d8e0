import { nextTick } from 'node:process'

/** Something to be done soon. */
export interface Deferred {
  runDeferred(): void
}

const due: (Deferred | undefined)[] = []
let count = 0
let reading = false

/**
 * Has something done when the read that is being dealt with has been dealt with, or else in the next tick. A tick of its
 * own takes another call from C++ into JavaScript for each read.
 */
export function afterRead(work: Deferred): void {
  if (reading) due[count++] = work
  else nextTick(run, work)
}

/** A read is going to be dealt with; `endRead` has to follow, whatever happens. */
export function beginRead(): void {
  reading = true
}

/** Does what was put off. What one of them throws is nobody else's matter. */
export function endRead(): void {
  let at = 0
  try {
    while (at < count) {
      const work = due[at]!
      due[at++] = undefined
      work.runDeferred()
    }
  } finally {
    while (at < count) {
      nextTick(run, due[at]!)
      due[at++] = undefined
    }
    count = 0
    reading = false
  }
}

function run(work: Deferred): void {
  work.runDeferred()
}
