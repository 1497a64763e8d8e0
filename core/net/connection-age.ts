// The global of the same name is a getter.
import { performance } from 'node:perf_hooks'

/** The age of a connection since this was made. */
export class ConnectionAge {
  // Integers: a number with a fraction is an object of its own, and there are many connections.
  readonly #bornAt = Math.trunc(performance.now())
  /** Per mille, ± 10 %: connections that were made together do not end together. */
  readonly #spread = 900 + Math.floor(201 * Math.random())

  /** Whether it is older than the limit of today, which a reload may change. @param limit ms; infinite: none */
  isOver(limit: number): boolean {
    return limit !== Number.POSITIVE_INFINITY && performance.now() - this.#bornAt >= (limit * this.#spread) / 1000
  }
}
