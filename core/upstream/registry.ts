import { isDeepStrictEqual } from 'node:util'
import { layerOf } from '../config/protocols.ts'
import type { Config, HealthConfig, UpstreamConfig } from '../config/types.ts'
import type { Steps } from '../in-slices.ts'
import { shareOf } from '../net/host-share.ts'
import { ClientContext } from '../tls/client-context.ts'
import { Backend } from './backend.ts'
import { type Balance, createBalance } from './balance.ts'
import { HealthCheck, type HealthParty } from './health.ts'
import { Upstream } from './upstream.ts'

/** The upstreams of a configuration that is not active yet. */
export interface PreparedUpstreams {
  /** By name. */
  readonly upstreams: ReadonlyMap<string, Upstream>
  /**
   * Makes them active: sets new weights and states, starts and stops probes, retires removed backends.
   *
   * @throws Error if another configuration was committed, or the registry closed, since they were prepared.
   */
  commit(): void
}

/** What survives a reload, for one upstream. */
interface Entry {
  readonly config: UpstreamConfig
  readonly upstream: Upstream
  readonly balance: Balance
  /** What the connections to its backends share; `undefined`: without TLS. */
  readonly tls: ClientContext | undefined
  /** By address. */
  readonly backends: ReadonlyMap<string, Backend>
}

/** All of a configuration's upstreams. */
interface Entries {
  readonly config: Config['upstreams']
  readonly entries: ReadonlyMap<string, Entry>
  readonly upstreams: ReadonlyMap<string, Upstream>
}

/** What backends are offered over TLS (ALPN). */
const alpn = { '1.1': ['http/1.1'], '2': ['h2'], auto: ['h2', 'http/1.1'] } as const

const nothing: Entries = { config: {}, entries: new Map(), upstreams: new Map() }

/** What the probing process reports about a backend. */
interface Heard {
  readonly healthy: boolean
  /** Weight that a policy measured. */
  readonly weight?: number | undefined
}

/**
 * Checks that start together probe one after the other, 1 ms apart: a thousand simultaneous connects would delay traffic by
 * 100 ms. The delays start over after this many ms, which is the longest wait for a first probe.
 */
const longestStagger = 2_000

/**
 * Builds the upstreams of each configuration. A backend of the same upstream name, protocol, version of HTTP, PROXY protocol, TLS settings and
 * address is one object through all of them, with its health, counters and pool; its probes continue while the upstream's `health` is
 * unchanged, and the balance keeps its state while its kind is the same. So a connection or a TLS session is never used under
 * other settings than those that verified it.
 */
export class UpstreamRegistry {
  readonly #party: HealthParty
  readonly #checks = new Map<Backend, HealthCheck>()
  /** Reports of other processes, also about backends that are not configured yet. */
  readonly #heard = new Map<string, Heard>()
  #probing = true
  /** Checks started in this turn of the event loop. */
  #begun = 0
  #inForce: Entries = nothing

  constructor(party: HealthParty = {}) {
    this.#party = party
  }

  /**
   * Builds without changing anything: a preparation that is never committed has no effect. An upstream whose configuration is
   * the same object as before is the same object, too.
   */
  *prepare(config: Config['upstreams']): Steps<PreparedUpstreams> {
    const before = this.#inForce
    const next = config === before.config ? before : yield* buildAll(config, before)
    return {
      upstreams: next.upstreams,
      commit: () => {
        if (this.#inForce !== before) throw new Error('these upstreams are out of date: prepare them again')
        this.#replace(next)
      },
    }
  }

  /**
   * Sets whether this process probes. Of several processes on one host, one probes and reports to the others, which get its
   * reports through `hear`.
   */
  probe(on: boolean): void {
    if (on === this.#probing) return
    this.#probing = on
    for (const { config, backends } of this.#inForce.entries.values()) {
      for (const backend of backends.values()) {
        if (on) this.#startCheck(backend, config.health)
        else this.#stopCheck(backend)
      }
    }
  }

  /** Stores a report of another process. It applies only while this process does not probe, and where checks are enabled. */
  hear(upstream: string, address: string, heard: Heard): void {
    this.#heard.set(JSON.stringify([upstream, address]), heard)
    const entry = this.#inForce.entries.get(upstream)
    const backend = entry?.backends.get(address)
    if (backend !== undefined && entry?.config.health.enabled && !this.#probing) believe(backend, heard)
  }

  /** Ends all probes and retires all backends; flows that are under way may end. */
  close(): void {
    this.#replace({ ...nothing })
  }

  #replace(next: Entries): void {
    const { entries: before } = this.#inForce
    const { entries } = next
    this.#inForce = next
    const isFirst = before === nothing.entries
    for (const [name, entry] of entries) {
      if (entry !== before.get(name)) this.#adopt(name, entry, before.get(name), isFirst)
    }
    for (const [name, entry] of before) {
      const after = entries.get(name)
      if (after === entry) continue
      for (const backend of entry.backends.values()) {
        if (after?.backends.get(backend.address) === backend) continue
        this.#stopCheck(backend)
        backend.retire()
      }
    }
  }

  #adopt(name: string, { config, balance, backends }: Entry, before: Entry | undefined, isFirst: boolean): void {
    const sameHealth = isDeepStrictEqual(config.health, before?.config.health)
    for (const configured of config.backends) {
      const { address, weight, state, maxConnections } = configured
      const backend = backends.get(address)!
      backend.configuredWeight = weight
      backend.state = state
      backend.connectionAge = config.limits?.connectionAge
      backend.label(configured)
      backend.source = config.source
      backend.keepAlive = config.keepAlive
      backend.limit = maxConnections === undefined ? Number.POSITIVE_INFINITY : shareOf(maxConnections)
      if (balance !== before?.balance) backend.forgetPicks()
      if (!sameHealth) this.#stopCheck(backend)
      // Without a check, nothing would ever mark it healthy again.
      if (!config.health.enabled) believe(backend, { healthy: true })
      else {
        const heard = this.#heard.get(JSON.stringify([name, address]))
        if (!this.#probing && heard !== undefined) believe(backend, heard)
        this.#startCheck(backend, config.health)
        // The others may remember what was found out about a backend of the same name and address with other settings.
        const isNew = !isFirst && backend !== before?.backends.get(address)
        if (isNew && this.#probing) this.#party.onState?.(backend)
      }
    }
  }

  #startCheck(backend: Backend, health: HealthConfig): void {
    if (!this.#probing || !health.enabled || this.#checks.has(backend)) return
    this.#checks.set(backend, new HealthCheck(backend, health, this.#party, this.#stagger(health.interval)))
  }

  /** Delay of the first probe of a check that starts now, ms. */
  #stagger(interval: number): number {
    if (this.#begun++ === 0) setImmediate(() => (this.#begun = 0))
    return (this.#begun - 1) % Math.min(interval, longestStagger)
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

function* buildAll(config: Config['upstreams'], before: Entries): Steps<Entries> {
  const entries = new Map<string, Entry>()
  const upstreams = new Map<string, Upstream>()
  for (const name of Object.keys(config)) {
    const known = before.entries.get(name)
    const entry = known?.config === config[name] ? known! : yield* build(name, config[name]!, known)
    entries.set(name, entry)
    upstreams.set(name, entry.upstream)
    yield
  }
  return { config, entries, upstreams }
}

function* build(name: string, config: UpstreamConfig, before: Entry | undefined): Steps<Entry> {
  const { protocol, http, proxyProtocol } = config
  const isSame =
    before?.config.protocol === protocol &&
    before.config.http === http &&
    before.config.proxyProtocol === proxyProtocol &&
    isDeepStrictEqual(before.config.tls, config.tls)
  const same = isSame ? before : undefined
  const tls = isSame
    ? before.tls
    : config.tls && new ClientContext(config.tls, layerOf(protocol) === 'L7' ? alpn[http] : [])
  const backends = new Map<string, Backend>()
  for (const backend of config.backends) {
    backends.set(backend.address, same?.backends.get(backend.address) ?? new Backend(name, backend, tls, config))
    yield
  }
  const isKept = same !== undefined && isDeepStrictEqual(same.config.balance, config.balance)
  const balance = isKept ? same.balance : createBalance(config.balance)
  return { config, upstream: new Upstream(name, config, [...backends.values()], balance), balance, tls, backends }
}
