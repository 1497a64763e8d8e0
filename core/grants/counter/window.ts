import type { LeaseAsk } from './lease-messages.ts'
import type { Limit } from './limit-table.ts'
import type { PointCount } from './point-count.ts'

/** A limit as the authority keeps it. */
export interface CountedLimit<Worker> extends Limit<CounterWindow<Worker>> {
  /** Points used or on lease. */
  readonly count: PointCount
}

/** Points that one worker has on lease. */
export interface Held {
  /** The worker's name for the lease. */
  ref: number
  /** Points that it has left at most. */
  out: number
  /** Those of them that were leased after the recall it has not answered yet. */
  since: number
  /** Whether it was asked to give back what is left; `late`: it did not within the timeout. */
  recall: 'none' | 'sent' | 'late'
}

/** The window of one key, for all workers; when it has ended the next one begins with the next take. */
export class CounterWindow<Worker> {
  readonly limit: CountedLimit<Worker>
  readonly key: string
  /** Names the present window; 0 before the first. */
  id = 0
  /** When it ends, ms. */
  end: number = Number.NEGATIVE_INFINITY
  /** Asks that are to be decided one after the other, in the order in which they came. */
  readonly queue: { readonly worker: Worker; readonly ask: LeaseAsk }[] = []
  isBusy = false
  /** Called when a recall may have been answered by all. */
  onBack: (() => void) | undefined
  // Most keys are never so hot that points of them are leased.
  #held: Map<Worker, Held> | undefined

  constructor(limit: CountedLimit<Worker>, key: string) {
    this.limit = limit
    this.key = key
  }

  heldBy(worker: Worker): Held | undefined {
    return this.#held?.get(worker)
  }

  /** All who have points on lease. */
  holders(): Iterable<[Worker, Held]> {
    return this.#held ?? []
  }

  /** Points leased to others than this worker, at most; of its own those that are on their way back. */
  elsewhere(worker: Worker): number {
    let points = 0
    for (const [holder, { out, recall }] of this.holders()) if (holder !== worker || recall !== 'none') points += out
    return points
  }

  lease(worker: Worker, ref: number, points: number): void {
    this.#held ??= new Map()
    const held = this.#held.get(worker)
    if (held === undefined) this.#held.set(worker, { ref, out: points, since: 0, recall: 'none' })
    else {
      held.out += points
      if (held.recall !== 'none') held.since += points
    }
  }

  /** What it has on lease is used up, or counts as if it were. */
  drop(worker: Worker): void {
    this.#held?.delete(worker)
    this.onBack?.()
  }

  dropAll(): void {
    this.#held = undefined
    this.onBack?.()
  }
}
