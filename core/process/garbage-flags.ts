import { availableParallelism } from 'node:os'
import { availableMemory } from '../guard/process-memory.ts'

/** The young generations of all workers together take at most this share of the memory. */
const share = 1 / 64
/** Spaces of a young generation: two halves, and what V8 keeps for large objects. */
const spaces = 3
/** Larger ones cost more in missed caches than they save, MB. */
const largest = 16

/**
 * How the workers collect their garbage, as options of Node.
 *
 * The young generation has its full size from the start. V8 begins with 1 MB and lets it grow only when much survives, which
 * the garbage of requests does not: a collection every 150 to 300 requests cost 1 to 2 µs a request, one every 700 costs half
 * of that. Collections run on the worker's own thread: there is a worker for each core, so helpers would take turns with it,
 * and it waits for them. Alone it is not held up when a helper gets no CPU time.
 *
 * @param memory MB. Default: what this process may use.
 * @param workers Default: one for each core.
 */
export function garbageFlags(
  memory: number = availableMemory(),
  workers: number = availableParallelism(),
): readonly string[] {
  const size = Math.floor((memory * share) / spaces / workers)
  return [`--min-semi-space-size=${Math.max(1, Math.min(largest, size))}`, '--no-parallel-scavenge']
}
