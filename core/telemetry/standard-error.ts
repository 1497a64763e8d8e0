import { writeSync } from 'node:fs'
import { nonBlocking } from './non-blocking.ts'

let descriptor: number | undefined

/** Writes a line to standard error. A closed terminal, a full disk or a stopped reader does not hold up the gateway. */
export function say(line: string): void {
  try {
    descriptor ??= nonBlocking(2) ?? 2
    writeSync(descriptor, `${line}\n`)
  } catch {
    // There is no other place for it.
  }
}

/** How long another line about the same problem would say nothing new, ms. */
const repeatAfter = 600_000

let saidAt = Number.NEGATIVE_INFINITY

/** Says that the log cannot be written: once, although every process of the gateway meets the same problem. */
export function sayUnwritable(problem: string): void {
  const now = performance.now()
  if (now - saidAt < repeatAfter) return
  saidAt = now
  say(`postern: the log cannot be written (${problem}); up to 16 MB are kept until it can, the gateway goes on`)
}
