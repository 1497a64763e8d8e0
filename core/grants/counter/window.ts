import type { LeaseAsk } from './lease-messages.ts'
import type { Limit } from './limit-table.ts'
import type { PointCount } from './point-count.ts'

/** A limit, with the authority's count of its points. */
export interface CountedLimit<Worker> extends Limit<CounterWindow<Worker>> {
  /** Counts points that are used or leased. */
  readonly count: PointCount
}

/** The lease of one worker. */
export interface Held {
  /** Identifies the lease in messages; chosen by the worker. */
  ref: number
  /** Most points that the worker may have left. */
  points: number
  /** Those of `points` that were leased after the recall that the worker has not answered yet. */
  pointsSinceRecall: number
  /**
   * `sent`: the worker was asked to give its points back and has not answered; `late`: not within the timeout either.
   */
  recall: 'none' | 'sent' | 'late'
}

/** The current window of one key, for all workers. After its end the next take begins another one. */
export class CounterWindow<Worker> {
  readonly limit: CountedLimit<Worker>
  readonly key: string
  /** Number of the current window; 0 before the first. */
  id = 0
  /** When it ends, ms. */
  end: number = Number.NEGATIVE_INFINITY
  /** Asks that wait for a decision, in the order of their arrival. */
  readonly queue: { readonly worker: Worker; readonly ask: LeaseAsk }[] = []
  /** An ask of the queue is being decided. */
  isBusy = false
  /** Called when a worker has given points back or is gone: the recall may be complete. */
  onBack: (() => void) | undefined
  // Not created before it is needed: most keys are used too seldom for a lease.
  #held: Map<Worker, Held> | undefined

  constructor(limit: CountedLimit<Worker>, key: string) {
    this.limit = limit
    this.key = key
  }

  heldBy(worker: Worker): Held | undefined {
    return this.#held?.get(worker)
  }

  /** All workers with a lease. */
  holders(): Iterable<[Worker, Held]> {
    return this.#held ?? []
  }

  /** Most points that other workers may have, including those that this worker was asked to give back. */
  elsewhere(worker: Worker): number {
    let points = 0
    for (const [holder, held] of this.holders()) {
      if (holder !== worker || held.recall !== 'none') points += held.points
    }
    return points
  }

  lease(worker: Worker, ref: number, points: number): void {
    this.#held ??= new Map()
    const held = this.#held.get(worker)
    if (held === undefined) this.#held.set(worker, { ref, points, pointsSinceRecall: 0, recall: 'none' })
    else {
      held.points += points
      if (held.recall !== 'none') held.pointsSinceRecall += points
    }
  }

  /** Ends the lease of a worker. Its points count as used. */
  drop(worker: Worker): void {
    this.#held?.delete(worker)
    this.onBack?.()
  }

  dropAll(): void {
    this.#held = undefined
    this.onBack?.()
  }
}
