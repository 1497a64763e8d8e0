import type { UpstreamConfig } from '../config/types.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import { Backend } from './backend.ts'
import { HashBalance, hashKeys } from './hash-balance.ts'

/** Chooses among the available backends. Its state survives reloads and changes of the candidates. */
export interface Balance {
  /**
   * One of the candidates; `undefined` if there are none. The list must never be changed afterwards.
   *
   * @param flow that the backend is for: a balance may read a key from it
   */
  pick(candidates: readonly Backend[], flow: FlowFacts): Backend | undefined
}

export function createBalance(kind: UpstreamConfig['balance']): Balance {
  if (typeof kind === 'object') return new HashBalance(hashKeys[kind.hash])
  return kind === 'least-connections' ? new LeastConnections() : new RoundRobin()
}

/** Picks so far, of all upstreams. */
let picks = 0

/**
 * Smooth weighted round robin: every pick adds to each candidate's credit its weight; the candidate with the most credit is
 * picked, and the sum of all weights is subtracted from its credit. So weights 5, 1, 1 give a a b a c a a and not five in a
 * row. A backend that is not a candidate keeps its credit, so that it gets no burst when it returns. Candidates of equal
 * weight take turns: the one picked longest ago is next.
 */
export class RoundRobin implements Balance {
  /** The candidates of the previous pick: usually the same as those of the next one. */
  #known: readonly Backend[] | undefined
  /** `Backend.changes` when they were examined. */
  #age = -1
  /** Index of the next backend in them; -1 when their weights differ. */
  #next = -1

  pick(candidates: readonly Backend[]): Backend | undefined {
    if (candidates.length < 2) return candidates[0]
    if (candidates !== this.#known || this.#age !== Backend.changes) {
      this.#known = candidates
      this.#age = Backend.changes
      this.#next = areEqual(candidates) ? longestWaiting(candidates) : -1
    }
    if (this.#next === -1) return richest(candidates)
    // No loop over the candidates: 12 ns for a hundred backends instead of 320.
    const backend = candidates[this.#next]!
    this.#next = this.#next + 1 === candidates.length ? 0 : this.#next + 1
    backend.picked = ++picks
    return backend
  }

  /** `pick` for a list that may be changed afterwards. */
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

/** Index of the backend that was picked longest ago; the first one of those that never were. */
function longestWaiting(candidates: readonly Backend[]): number {
  let index = 0
  for (let i = 1; i < candidates.length; i++) if (candidates[i]!.picked < candidates[index]!.picked) index = i
  return index
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

/** Picks the candidate with the fewest active flows relative to its weight; among ties, for example all idle, `RoundRobin`. */
export class LeastConnections implements Balance {
  readonly #ties = new RoundRobin()
  /** Kept between picks to reuse its memory. */
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
