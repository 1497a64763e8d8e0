import { writeSync } from 'node:fs'
import { nonBlocking } from './non-blocking.ts'

/** Standard error without waits, if there is such a descriptor; `null` before the first line. */
let descriptor: number | undefined | null = null

/** Writes a line to standard error. A closed terminal or a full disk does not end the gateway. */
export function say(line: string): void {
  try {
    if (descriptor === null) descriptor = nonBlocking(2)
    writeSync(descriptor ?? 2, `${line}\n`)
  } catch {
    // There is no other place for it.
  }
}

/** How long another line about the same problem would say nothing new, ms. */
const repeatAfter = 600_000

let saidAt = Number.NEGATIVE_INFINITY

/**
 * Says that the log cannot be written: once, although every process of the gateway meets the same problem. Where a write
 * would wait, nothing is said: the reader that has stopped is probably the same.
 */
export function sayUnwritable(problem: string): void {
  const now = performance.now()
  if (now - saidAt < repeatAfter) return
  saidAt = now
  if (descriptor === null) descriptor = nonBlocking(2)
  if (descriptor === undefined) return
  say(`postern: the log cannot be written (${problem}); up to 16 MB are kept until it can, the gateway goes on`)
}
