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
  /** The available ones and those that drain. */
  #choosable: readonly Backend[] = []
  #age = -1

  constructor(name: string, config: UpstreamConfig, backends: readonly Backend[], balance: Balance) {
    this.name = name
    this.config = config
    this.backends = backends
    this.#balance = balance
  }

  /**
   * The backends that the balance may choose from and that are not tried yet, in the order of the configuration. The list is
   * shared between calls and replaced, never changed, when availability changes.
   */
  candidates(tried: readonly Backend[]): readonly Backend[] {
    this.#update()
    return without(this.#available, tried)
  }

  /** Those that a policy may choose: `candidates`, and those that drain, for the sessions that they have. */
  choosable(tried: readonly Backend[]): readonly Backend[] {
    this.#update()
    return without(this.#choosable, tried)
  }

  /** The backend that the balance chooses for a flow; `undefined` if there are no candidates (outcome UH). */
  pick(candidates: readonly Backend[], flow: FlowFacts): Backend | undefined {
    return this.#balance.pick(candidates, flow)
  }

  #update(): void {
    if (this.#age === Backend.changes) return
    this.#available = this.backends.filter((backend) => backend.available)
    this.#choosable = this.backends.filter((backend) => backend.available || backend.draining)
    this.#age = Backend.changes
  }
}

function without(list: readonly Backend[], tried: readonly Backend[]): readonly Backend[] {
  return tried.length === 0 ? list : list.filter((backend) => !tried.includes(backend))
}
