import type { GuardedCall, ProcessSize } from '../sandbox/crossing-guard.ts'

/** Why a process ended itself, as one line of JSON on its report descriptor. */
export type EndReport = StuckReport | ResourcesReport

/** What the watchdog writes before it kills its process because a crossing made no progress. */
export interface StuckReport {
  readonly type: 'stuck'
  /** The call whose code ran. When that is unknown, one call of each policy and hook of the crossing. */
  readonly calls: readonly GuardedCall[]
  /** Number of polls without progress. */
  readonly polls: number
}

/** The process had grown too much, MB. It blames no plugin: who crosses then need not be who has used the memory. */
export interface ResourcesReport extends ProcessSize {
  readonly type: 'resources'
}

/** Finds the report in everything that came from a report descriptor; `undefined` when there is no complete report. */
export function readReport(text: string): EndReport | undefined {
  for (const line of text.split('\n')) {
    try {
      const report = JSON.parse(line) as Partial<EndReport> | null
      if (report?.type === 'resources') return report as ResourcesReport
      if (report?.type === 'stuck' && Array.isArray(report.calls)) return report as StuckReport
    } catch {
      // The last line of a dying process may be incomplete.
    }
  }
  return undefined
}
