import type { UpstreamConfig } from '../config/types.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import { Backend } from './backend.ts'

/** Chooses among the backends that may be used. What it remembers survives reloads and changing candidates. */
export interface Balance {
  /**
   * One of the candidates, a list that is never altered afterwards; `undefined` if there are none.
   *
   * @param flow that the backend is for: a balance may read a key from it
   */
  pick(candidates: readonly Backend[], flow: FlowFacts): Backend | undefined
}

export function createBalance(kind: UpstreamConfig['balance']): Balance {
  return kind === 'least-connections' ? new LeastConnections() : new RoundRobin()
}

/** Picks so far, of all upstreams. */
let picks = 0

/**
 * Smooth weighted round robin: every candidate earns its weight, the richest is taken and pays what all have earned. So
 * weights 5, 1, 1 give a a b a c a a and not five in a row. Who is no candidate neither earns nor pays, and causes no
 * burst when it comes back. Candidates of equal weight simply take turns: whoever has waited longest is next.
 */
export class RoundRobin implements Balance {
  /** The candidates of the last pick and when they were looked at: most picks have the same ones as the pick before. */
  #known: readonly Backend[] | undefined
  #age = -1
  /** Place in them of the one whose turn it is; -1 when their weights differ. */
  #next = -1

  pick(candidates: readonly Backend[]): Backend | undefined {
    if (candidates.length < 2) return candidates[0]
    if (candidates !== this.#known || this.#age !== Backend.changes) {
      this.#known = candidates
      this.#age = Backend.changes
      this.#next = areEqual(candidates) ? longestWaiting(candidates) : -1
    }
    if (this.#next === -1) return richest(candidates)
    // No walk over the candidates: 12 ns for a hundred backends, where the walk takes 320.
    const backend = candidates[this.#next]!
    this.#next = this.#next + 1 === candidates.length ? 0 : this.#next + 1
    backend.picked = ++picks
    return backend
  }

  /** The same for a list that is altered afterwards. */
  pickAmong(candidates: readonly Backend[]): Backend | undefined {
    if (candidates.length < 2) return candidates[0]
    if (!areEqual(candidates)) return richest(candidates)
    const backend = candidates[longestWaiting(candidates)]!
    backend.picked = ++picks
    return backend
  }
}

function areEqual(candidates: readonly Backend[]): boolean {
  const { weight } = candidates[0]!
  for (const backend of candidates) if (backend.weight !== weight) return false
  return true
}

/** Place of the one that was picked longest ago; the first of those that never were. */
function longestWaiting(candidates: readonly Backend[]): number {
  let place = 0
  for (let i = 1; i < candidates.length; i++) if (candidates[i]!.picked < candidates[place]!.picked) place = i
  return place
}

function richest(candidates: readonly Backend[]): Backend {
  let earned = 0
  let found = candidates[0]!
  let most = Number.NEGATIVE_INFINITY
  for (const backend of candidates) {
    backend.credit += backend.weight
    earned += backend.weight
    if (backend.credit <= most) continue
    found = backend
    most = backend.credit
  }
  found.credit -= earned
  return found
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
    return this.#ties.pickAmong(least)
  }
}
