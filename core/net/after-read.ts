import { nextTick } from 'node:process'

/** Work that `afterRead` runs later. */
export interface Deferred {
  runDeferred(): void
}

const due: (Deferred | undefined)[] = []
let count = 0
let reading = false

/**
 * Runs work once the current read has been processed, or in the next tick when no read is being processed. A tick for each
 * read would cost another call from C++ into JavaScript.
 */
export function afterRead(work: Deferred): void {
  if (reading) due[count++] = work
  else nextTick(run, work)
}

/** A read is about to be processed; `endRead` has to follow, also after an exception. */
export function beginRead(): void {
  reading = true
}

/** Runs the deferred work. When one piece throws, the others still run, in the next tick. */
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
