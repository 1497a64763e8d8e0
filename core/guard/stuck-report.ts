import type { GuardedCall } from '../sandbox/crossing-guard.ts'

/** What the watchdog writes, as one line of JSON, before it ends its process: a crossing made no progress. */
export interface StuckReport {
  readonly type: 'stuck'
  /** The call whose code ran; one call of each policy and hook of the crossing when that could not be told. */
  readonly calls: readonly GuardedCall[]
  /** How often it looked without seeing progress. */
  readonly polls: number
}

/** Reads all that came from a report descriptor; `undefined` when there is no whole report in it. */
export function readReport(text: string): StuckReport | undefined {
  for (const line of text.split('\n')) {
    try {
      const report = JSON.parse(line) as Partial<StuckReport> | null
      if (report?.type === 'stuck' && Array.isArray(report.calls)) return report as StuckReport
    } catch {
      // The last line of a dying process may be half a line.
    }
  }
  return undefined
}
