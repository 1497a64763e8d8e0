import { availableParallelism } from 'node:os'
import { hasCommand } from './installed.ts'

/** Lists of cores as `taskset -c` takes them. */
export interface Pinning {
  /** For the proxy under test. One core, so that its requests per second compare. */
  readonly proxy: string
  /** For load generators and the backend. */
  readonly load: string
  /** For a proxy with more than one worker. On two cores it has to share them with the load. */
  readonly wide: string
}

/** `undefined` on one core, or without `taskset`: then everything runs anywhere. */
export function createPinning(cores = availableParallelism(), hasTaskset = hasCommand('taskset')): Pinning | undefined {
  if (cores < 2 || !hasTaskset) return undefined
  const half = Math.floor(cores / 2)
  return { proxy: '0', load: range(half, cores - 1), wide: half > 1 ? range(0, half - 1) : range(0, cores - 1) }
}

/** A command that stays on these cores, together with all that it starts. `taskset` becomes the command: one pid. */
export function pinned(command: readonly string[], cores: string | undefined): readonly string[] {
  return cores === undefined ? command : ['taskset', '-c', cores, ...command]
}

function range(from: number, to: number): string {
  return from === to ? `${from}` : `${from}-${to}`
}
