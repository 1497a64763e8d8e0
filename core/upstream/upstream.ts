import type { UpstreamConfig } from '../config/types.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import { Backend } from './backend.ts'
import type { Balance } from './balance.ts'

/** One upstream of a snapshot. Its backends and its balance may be shared with earlier and later snapshots. */
export class Upstream {
  readonly name: string
  readonly config: UpstreamConfig
  readonly backends: readonly Backend[]
  readonly #balance: Balance
  #available: readonly Backend[] = []
  #age = -1

  constructor(name: string, config: UpstreamConfig, backends: readonly Backend[], balance: Balance) {
    this.name = name
    this.config = config
    this.backends = backends
    this.#balance = balance
  }

  /**
   * The backends that are available and not tried yet, in the order of the configuration. The list is shared between
   * calls and replaced, never changed, when availability changes.
   */
  candidates(tried: readonly Backend[]): readonly Backend[] {
    if (this.#age !== Backend.changes) {
      this.#available = this.backends.filter((backend) => backend.available)
      this.#age = Backend.changes
    }
    return tried.length === 0 ? this.#available : this.#available.filter((backend) => !tried.includes(backend))
  }

  /** The backend that the balance chooses for a flow; `undefined` if there are no candidates (outcome UH). */
  pick(candidates: readonly Backend[], flow: FlowFacts): Backend | undefined {
    return this.#balance.pick(candidates, flow)
  }
}
