import type { Target } from './fleet.ts'
import type { Lab } from './lab.ts'
import { saturate } from './load/generate.ts'
import type { Load } from './load/load.ts'
import type { Effort } from './scenarios/scenario.ts'

/** Of one look at what a subject costs. */
const probeSeconds = 1
/** Two looks that differ by less: what was to be compiled is. */
const tolerance = 0.1

interface WarmUp {
  readonly lab: Lab
  readonly effort: Pick<Effort, 'seconds' | 'warmUpSeconds'>
}

/**
 * Gives a subject work until what it costs no longer changes, for `Effort.warmUpSeconds` at most: every program allocates
 * and fills its pools when it first has work to do, and Node goes on compiling for seconds.
 */
export async function warmUp({ lab, effort }: WarmUp, { process }: Target, load: Omit<Load, 'seconds'>): Promise<void> {
  const end = performance.now() + effort.warmUpSeconds * 1_000
  let last = Number.NaN
  do {
    const before = process.cpu()
    const { bytes } = await saturate(lab, { ...load, seconds: Math.min(probeSeconds, effort.seconds) })
    // Per byte: all answers of a load have the same length.
    const cost = (process.cpu() - before) / bytes
    process.forgetOutput()
    if (Math.abs(cost / last - 1) < tolerance) return
    last = cost
  } while (performance.now() < end)
}
