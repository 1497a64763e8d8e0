import type { UpstreamConfig } from '../config/types.ts'
import type { Backend } from './backend.ts'

/** Chooses among the backends that may be used. What it remembers survives reloads and changing candidates. */
export interface Balance {
  /** One of the candidates; `undefined` if there are none. */
  pick(candidates: readonly Backend[]): Backend | undefined
}

export function createBalance(kind: UpstreamConfig['balance']): Balance {
  return kind === 'least-connections' ? new LeastConnections() : new RoundRobin()
}

/**
 * Smooth weighted round robin: every candidate earns its weight, the richest is taken and pays what all have earned. So
 * weights 5, 1, 1 give a a b a c a a and not five in a row. Who is no candidate neither earns nor pays, and causes no
 * burst when it comes back.
 */
export class RoundRobin implements Balance {
  readonly #credits = new WeakMap<Backend, number>()

  pick(candidates: readonly Backend[]): Backend | undefined {
    if (candidates.length < 2) return candidates[0]
    let earned = 0
    let richest: Backend | undefined
    let most = Number.NEGATIVE_INFINITY
    for (const backend of candidates) {
      const credit = (this.#credits.get(backend) ?? 0) + backend.weight
      this.#credits.set(backend, credit)
      earned += backend.weight
      if (credit <= most) continue
      richest = backend
      most = credit
    }
    if (richest !== undefined) this.#credits.set(richest, most - earned)
    return richest
  }
}

/** The candidate with the fewest flows under way for its weight. Ties, as when all are idle, go round by weight. */
export class LeastConnections implements Balance {
  readonly #ties = new RoundRobin()
  /** Kept between picks for its memory only. */
  readonly #least: Backend[] = []

  pick(candidates: readonly Backend[]): Backend | undefined {
    const least = this.#least
    least.length = 0
    for (const backend of candidates) {
      const first = least[0]
      // Multiplied across, active/weight compares exactly.
      const difference = first === undefined ? 0 : backend.active * first.weight - first.active * backend.weight
      if (difference > 0) continue
      if (difference < 0) least.length = 0
      least.push(backend)
    }
    return this.#ties.pick(least)
  }
}
