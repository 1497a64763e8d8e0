import { availableParallelism, totalmem } from 'node:os'
import type { PolicyFacts } from './plugins.ts'
import type { Config } from './types.ts'

/** Memory of the host, or of the control group that the process is confined to, MB. */
export function hostMemory(): number {
  const constrained = process.constrainedMemory()
  return Math.min(totalmem(), constrained > 0 ? constrained : Number.POSITIVE_INFINITY) / 2 ** 20
}

/**
 * Whether the isolates that the configuration asks for can fill up at the same time; in words when they cannot.
 *
 * @param host see `hostMemory`.
 */
export function memoryProblem(
  workers: Config['workers'],
  facts: ReadonlyMap<string, PolicyFacts>,
  host: number,
): string | undefined {
  const groups = Map.groupBy(facts.values(), ({ group }) => group)
  // Plugins that share an isolate get the largest of their limits.
  const heaps = [...groups.values()].map((members) => Math.max(...members.map(({ limits }) => limits.memory)))
  const processes = workers === 'auto' ? availableParallelism() : workers
  const heap = heaps.reduce((sum, size) => sum + size, 0)
  if (heap * processes <= host) return undefined
  const isolates = heaps.length === 1 ? 'the isolate' : `the ${heaps.length} isolates`
  const each = processes === 1 ? 'the worker' : `each of the ${processes} workers`
  return (
    `${isolates} of ${each} may fill ${round(heap)} MB, ${round(heap * processes)} MB in all, and the host has ` +
    `${round(host)} MB; lower limits.memory or the number of workers`
  )
}

function round(size: number): string {
  return String(Math.round(size))
}
