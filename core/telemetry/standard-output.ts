import { isatty } from 'node:tty'
import { LineBatch } from './line-batch.ts'
import type { LineStream } from './log.ts'
import { ShortLines } from './short-lines.ts'

/**
 * Standard output as the place of the log: JSON, or short lines when it is a terminal.
 *
 * @param onTrouble see `LineBatch`.
 */
export function standardOutput(onTrouble?: (problem: string) => void): LineStream {
  const batch = new LineBatch(1, onTrouble)
  return isatty(1) ? new ShortLines(batch) : batch
}
