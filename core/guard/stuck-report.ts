import type { GuardedCall } from '../sandbox/crossing-guard.ts'

/** What the watchdog writes, as one line of JSON, before it kills its process because a crossing made no progress. */
export interface StuckReport {
  readonly type: 'stuck'
  /** The call whose code ran. When that is unknown, one call of each policy and hook of the crossing. */
  readonly calls: readonly GuardedCall[]
  /** Number of polls without progress. */
  readonly polls: number
}

/** Finds the report in everything that came from a report descriptor; `undefined` when there is no complete report. */
export function readReport(text: string): StuckReport | undefined {
  for (const line of text.split('\n')) {
    try {
      const report = JSON.parse(line) as Partial<StuckReport> | null
      if (report?.type === 'stuck' && Array.isArray(report.calls)) return report as StuckReport
    } catch {
      // The last line of a dying process may be incomplete.
    }
  }
  return undefined
}
