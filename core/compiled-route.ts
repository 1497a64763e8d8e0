import type { MatchConfig, RouteConfig } from './config/types.ts'
import type { Chain } from './hooks/chain.ts'
import type { PolicySet } from './hooks/policy-set.ts'
import type { Route } from './snapshot.ts'
import type { Upstream } from './upstream/upstream.ts'

/** A route as snapshots hold it; those that follow each other share it as long as nothing it was made of changes. */
export class CompiledRoute implements Route {
  readonly name: string
  readonly match: MatchConfig
  readonly config: RouteConfig
  readonly upstream: Upstream | undefined
  readonly base: Chain
  /** Through its own upstream. */
  readonly #whole: Chain
  /** The listener's policies, then its own. */
  readonly #names: readonly string[]
  readonly #policies: PolicySet

  constructor(
    name: string,
    config: RouteConfig,
    listener: readonly string[],
    upstream: Upstream | undefined,
    policies: PolicySet,
  ) {
    this.name = name
    this.match = config.match
    this.config = config
    this.upstream = upstream
    this.#policies = policies
    this.#names = config.policies.length === 0 ? listener : [...listener, ...config.policies]
    this.base = policies.chain(this.#names)
    this.#whole = upstream === undefined ? this.base : this.#chainTo(upstream)
  }

  through(upstream: Upstream): Chain {
    return upstream === this.upstream ? this.#whole : this.#chainTo(upstream)
  }

  #chainTo({ config: { policies } }: Upstream): Chain {
    return policies.length === 0 ? this.base : this.#policies.chain([...this.#names, ...policies])
  }
}
