/**
 * How a plugin failed: `threw`, `timeout` and `memory` are failed calls · `kill`: the watchdog had to end the process ·
 * `crash`: the process exited without it.
 */
export type FaultKind = 'threw' | 'timeout' | 'memory' | 'kill' | 'crash'

export interface Fault {
  /** Hash of the plugin's script: the identity that is blamed. */
  readonly hash: string
  readonly plugin: string
  readonly policy?: string
  readonly kind: FaultKind
  /** Of a kill or a crash: only this plugin can have caused it. */
  readonly alone: boolean
}

/** Points of each kind. At `limit` points the plugin is quarantined. */
export const points: Readonly<Record<FaultKind, number>> = { threw: 1, timeout: 10, memory: 10, kill: 50, crash: 50 }
export const limit = 100

/** For how long failed calls count, ms. */
export const faultWindow = 60_000
/** For how long the end of a process counts, ms: a minute would let a plugin end one each minute, for ever. */
export const deathWindow = 600_000

export function isDeath(kind: FaultKind): boolean {
  return kind === 'kill' || kind === 'crash'
}
