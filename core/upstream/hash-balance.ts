import type { FlowFacts } from '../hooks/scopes.ts'
import type { Backend } from './backend.ts'
import type { Balance } from './balance.ts'

/** What a flow is hashed by. */
export type HashKey = (flow: FlowFacts) => string

/** The keys that a configuration can name. */
export const hashKeys: Readonly<Record<'client.ip', HashKey>> = { 'client.ip': ({ clientIp }) => clientIp }

/**
 * The same backend for the same key, in every worker, on every host and after every restart, by weight: rendezvous hashing. Each
 * candidate has a score that follows from the key and its id alone, and the highest wins. So when a backend leaves, for good or
 * while it is ejected, only its keys move, to all others by their weights; and they come back with it.
 */
export class HashBalance implements Balance {
  readonly #key: HashKey

  constructor(key: HashKey) {
    this.#key = key
  }

  pick(candidates: readonly Backend[], flow: FlowFacts): Backend | undefined {
    const key = hashOf(this.#key(flow))
    let found = candidates[0]
    let most = Number.NEGATIVE_INFINITY
    for (const backend of candidates) {
      // In (0, 1); its logarithm makes the chance to have the highest score proportional to the weight.
      const chance = (mix(key ^ seedOf(backend)) + 0.5) / 2 ** 32
      const score = -backend.weight / Math.log(chance)
      if (score <= most) continue
      found = backend
      most = score
    }
    return found
  }
}

/** Of the id of each backend. */
const seeds = new WeakMap<Backend, number>()

function seedOf(backend: Backend): number {
  let seed = seeds.get(backend)
  if (seed === undefined) {
    seed = hashOf(backend.id)
    seeds.set(backend, seed)
  }
  return seed
}

/** FNV-1a, then `mix`: 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mix(hash)
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit of the input. */
function mix(hash: number): number {
  let bits = hash
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
