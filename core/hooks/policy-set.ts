import type { CheckedPolicy } from '../config/checked.ts'
import type { Instance } from '../sandbox/plugin.ts'
import { type Chain, compileChain } from './chain.ts'
import { compilePolicy, type Policy } from './policy.ts'

/**
 * The compiled policies of a configuration, and their chains. Thousands of routes have few different lists of policies:
 * each distinct list is one chain. Configurations with the same policies share the set.
 */
export class PolicySet {
  /** What the sandbox runs for them; `Policy.instance` is an index in this list. */
  readonly instances: readonly Instance[]
  readonly #key: string
  readonly #policies = new Map<string, Policy>()
  /** By the names of their policies, joined by line feeds. */
  readonly #chains = new Map<string, Chain>()

  private constructor(checked: ReadonlyMap<string, CheckedPolicy>, key: string) {
    this.#key = key
    const instances: Instance[] = []
    for (const [name, one] of checked) {
      const { policy, instance } = compilePolicy(one, instances.length)
      this.#policies.set(name, policy)
      instances.push(instance)
    }
    this.instances = instances
  }

  /** @param before is returned when no policy has changed. */
  static of(checked: ReadonlyMap<string, CheckedPolicy>, before?: PolicySet): PolicySet {
    const key = JSON.stringify(
      [...checked.values()].map(({ plugin, ...policy }) => ({ ...policy, hash: plugin.hash, file: plugin.file })),
    )
    return before !== undefined && before.#key === key ? before : new PolicySet(checked, key)
  }

  /** A test whether at least one of these policies reads a request header by its name, or may write it. */
  touched(names: Iterable<string>): (header: string) => boolean {
    const policies = this.named(names)
    const read = new Set(policies.flatMap(({ scopes, when }) => [...scopes.reads, ...(when?.reads ?? [])]))
    return (header) => read.has(`header:${header}`) || policies.some(({ writes }) => writes.header(header))
  }

  named(names: Iterable<string>): Policy[] {
    return [...names].map((name) => this.#policies.get(name)!)
  }

  /** Whether one of these policies may choose the upstream. */
  chooseUpstream(names: Iterable<string>): boolean {
    return [...names].some((name) => this.#policies.get(name)!.writes.upstream)
  }

  /** The chain of these policies, in this order. */
  chain(names: readonly string[]): Chain {
    const key = names.join('\n')
    let chain = this.#chains.get(key)
    if (chain === undefined) {
      chain = compileChain(names.map((name) => this.#policies.get(name)!))
      this.#chains.set(key, chain)
    }
    return chain
  }
}
