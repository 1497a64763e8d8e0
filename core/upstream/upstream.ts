import type { UpstreamConfig } from '../config/types.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import { shareOf } from '../net/host-share.ts'
import { Backend } from './backend.ts'
import type { Balance } from './balance.ts'

const none: readonly Backend[] = []

/** One upstream of a snapshot. Its backends and its balance may be shared with earlier and later snapshots. */
export class Upstream {
  readonly name: string
  readonly config: UpstreamConfig
  readonly backends: readonly Backend[]
  readonly #balance: Balance
  /** Most flows under way on its backends together, in this process. */
  readonly #limit: number
  readonly #isLimited: boolean
  #available: readonly Backend[] = []
  /** The available ones and those that drain. */
  #choosable: readonly Backend[] = []
  #age = -1

  constructor(name: string, config: UpstreamConfig, backends: readonly Backend[], balance: Balance) {
    this.name = name
    this.config = config
    this.backends = backends
    this.#balance = balance
    const { maxConnections } = config
    this.#limit = maxConnections === undefined ? Number.POSITIVE_INFINITY : shareOf(maxConnections)
    this.#isLimited = maxConnections !== undefined || config.backends.some((one) => one.maxConnections !== undefined)
  }

  /**
   * The backends that the balance may choose from and that are not tried yet, in the order of the configuration. The list is
   * shared between calls and replaced, never changed, when availability changes.
   */
  candidates(tried: readonly Backend[]): readonly Backend[] {
    this.#update()
    return this.#free(without(this.#available, tried))
  }

  /** Those that a policy may choose: `candidates`, and those that drain, for the sessions that they have. */
  choosable(tried: readonly Backend[]): readonly Backend[] {
    this.#update()
    return this.#free(without(this.#choosable, tried))
  }

  /** The backend that the balance chooses for a flow; `undefined` if there are no candidates (outcome UH). */
  pick(candidates: readonly Backend[], flow: FlowFacts): Backend | undefined {
    return this.#balance.pick(candidates, flow)
  }

  /** Whether its connections are used up: a backend takes flows, but has none left, or the upstream has none left. */
  get isFull(): boolean {
    if (!this.#isLimited) return false
    this.#update()
    return this.#available.length > 0 && this.#free(this.#available).length === 0
  }

  /** Those of a list that may get a further flow. Without limits, and while none is reached, the list itself. */
  #free(list: readonly Backend[]): readonly Backend[] {
    if (!this.#isLimited) return list
    if (this.#limit !== Number.POSITIVE_INFINITY) {
      let active = 0
      for (const backend of this.backends) active += backend.active
      if (active >= this.#limit) return none
    }
    return list.some((backend) => backend.isFull) ? list.filter((backend) => !backend.isFull) : list
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
