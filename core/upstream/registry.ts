import { isDeepStrictEqual } from 'node:util'
import type { Config, HealthConfig, UpstreamConfig } from '../config/types.ts'
import { Backend } from './backend.ts'
import { type Balance, createBalance } from './balance.ts'
import { HealthCheck, type HealthParty } from './health.ts'
import { Upstream } from './upstream.ts'

/** The upstreams of a configuration that is not in force yet. */
export interface PreparedUpstreams {
  /** By name. */
  readonly upstreams: ReadonlyMap<string, Upstream>
  /**
   * Puts them in force: new weights and states, probes begun and ended, backends that are gone retired.
   *
   * @throws Error if another configuration was committed, or the registry closed, since they were prepared.
   */
  commit(): void
}

/** What outlives a reload, for one upstream. */
interface Entry {
  readonly config: UpstreamConfig
  readonly balance: Balance
  /** By address. */
  readonly backends: ReadonlyMap<string, Backend>
}

/** What the process that probes found out about a backend. */
interface Heard {
  readonly healthy: boolean
  /** Weight that a policy measured. */
  readonly weight?: number | undefined
}

/**
 * Builds the upstreams of each configuration. A backend of the same upstream name, protocol and address is one object
 * through all of them, with its health, counters and pool; its probes go on undisturbed while the upstream's `health` is
 * unchanged, and the balance keeps its place while its kind is the same.
 */
export class UpstreamRegistry {
  readonly #party: HealthParty
  readonly #checks = new Map<Backend, HealthCheck>()
  /** What other processes found out, also of backends that come later. */
  readonly #heard = new Map<string, Heard>()
  #probing = true
  #entries: ReadonlyMap<string, Entry> = new Map()

  constructor(party: HealthParty = {}) {
    this.#party = party
  }

  /** Builds and changes nothing; a preparation that is not committed leaves no trace. */
  prepare(config: Config['upstreams']): PreparedUpstreams {
    const before = this.#entries
    const entries = new Map<string, Entry>()
    const upstreams = new Map<string, Upstream>()
    for (const [name, upstream] of Object.entries(config)) {
      const entry = build(name, upstream, before.get(name))
      entries.set(name, entry)
      upstreams.set(name, new Upstream(name, upstream, [...entry.backends.values()], entry.balance))
    }
    return {
      upstreams,
      commit: () => {
        if (this.#entries !== before) throw new Error('these upstreams are out of date: prepare them again')
        this.#replace(entries)
      },
    }
  }

  /**
   * Whether this process probes. Where several share a host one of them does, and tells the others what it finds: they
   * take it in by `hear`.
   */
  probe(on: boolean): void {
    if (on === this.#probing) return
    this.#probing = on
    for (const { config, backends } of this.#entries.values()) {
      for (const backend of backends.values()) {
        if (on) this.#startCheck(backend, config.health)
        else this.#stopCheck(backend)
      }
    }
  }

  /** What another process found out. */
  hear(upstream: string, address: string, heard: Heard): void {
    this.#heard.set(JSON.stringify([upstream, address]), heard)
    const entry = this.#entries.get(upstream)
    const backend = entry?.backends.get(address)
    if (backend !== undefined && entry?.config.health.enabled && !this.#probing) believe(backend, heard)
  }

  /** Ends all probes and retires all backends; flows that are under way may end. */
  close(): void {
    this.#replace(new Map())
  }

  #replace(entries: ReadonlyMap<string, Entry>): void {
    const before = this.#entries
    this.#entries = entries
    const kept = new Set<Backend>()
    for (const [name, { config, backends }] of entries) {
      const sameHealth = isDeepStrictEqual(config.health, before.get(name)?.config.health)
      for (const { address, weight, state } of config.backends) {
        const backend = backends.get(address)!
        backend.configuredWeight = weight
        backend.state = state
        kept.add(backend)
        if (!sameHealth) this.#stopCheck(backend)
        // Without a check nothing would ever bring it up again.
        if (!config.health.enabled) believe(backend, { healthy: true })
        else {
          const heard = this.#heard.get(JSON.stringify([name, address]))
          if (!this.#probing && heard !== undefined) believe(backend, heard)
          this.#startCheck(backend, config.health)
        }
      }
    }
    for (const { backends } of before.values()) {
      for (const backend of backends.values()) {
        if (kept.has(backend)) continue
        this.#stopCheck(backend)
        backend.retire()
      }
    }
  }

  #startCheck(backend: Backend, health: HealthConfig): void {
    if (!this.#probing || !health.enabled || this.#checks.has(backend)) return
    this.#checks.set(backend, new HealthCheck(backend, health, this.#party))
  }

  #stopCheck(backend: Backend): void {
    this.#checks.get(backend)?.stop()
    this.#checks.delete(backend)
  }
}

function believe(backend: Backend, { healthy, weight }: Heard): void {
  backend.healthy = healthy
  backend.measuredWeight = weight
}

function build(name: string, config: UpstreamConfig, before: Entry | undefined): Entry {
  const same = before?.config.protocol === config.protocol ? before : undefined
  const backends = new Map<string, Backend>()
  for (const backend of config.backends) {
    backends.set(backend.address, same?.backends.get(backend.address) ?? new Backend(name, backend))
  }
  const balance = same?.config.balance === config.balance ? same.balance : createBalance(config.balance)
  return { config, balance, backends }
}
