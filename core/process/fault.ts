/**
 * How a plugin failed. `threw`, `timeout` and `memory`: a call failed. `kill`: the watchdog killed the process.
 * `crash`: the process exited for another reason.
 */
export type FaultKind = 'threw' | 'timeout' | 'memory' | 'kill' | 'crash'

export interface Fault {
  /** Hash of the plugin's script; faults are counted by it. */
  readonly hash: string
  readonly plugin: string
  readonly policy?: string
  readonly kind: FaultKind
  /** For `kill` and `crash`: no other plugin can have caused it. */
  readonly alone: boolean
}

/** Points for each kind of fault. At `limit` points the plugin is quarantined. */
export const points: Readonly<Record<FaultKind, number>> = { threw: 1, timeout: 10, memory: 10, kill: 50, crash: 50 }
export const limit = 100

/** How long a failed call counts, ms. */
export const faultWindow = 60_000
/** How long the death of a process counts, ms. With a minute, a plugin could kill one process every minute for ever. */
export const deathWindow = 600_000

export function isDeath(kind: FaultKind): boolean {
  return kind === 'kill' || kind === 'crash'
}
