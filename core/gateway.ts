import { AcmeState } from './acme/acme-state.ts'
import type { CheckedConfig } from './config/checked.ts'
import type { Config } from './config/types.ts'
import { HealthFlow } from './flow/health-flow.ts'
import type { GrantHost } from './grants/grant-host.ts'
import { PolicySet } from './hooks/policy-set.ts'
import { inSlices, type Steps } from './in-slices.ts'
import { HttpListener } from './listen/http.ts'
import { type BoundHandle, type Listener, listenerKey } from './listen/listener.ts'
import type { SessionPlaces } from './listen/session-places.ts'
import { TcpListener } from './listen/tcp.ts'
import { UdpListener } from './listen/udp.ts'
import { checkRawDatagrams } from './net/datagram-check.ts'
import { descriptors } from './net/descriptors.ts'
import { checkRawSockets } from './net/raw-check.ts'
import { checkRawTls } from './net/raw-tls-check.ts'
import type { CrossingGuard } from './sandbox/crossing-guard.ts'
import type { SandboxEvent } from './sandbox/event.ts'
import type { Instance, QuarantineState, Sandbox } from './sandbox/plugin.ts'
import { createSandbox } from './sandbox/sandbox.ts'
import { type HttpPlan, Snapshot, type TcpPlan } from './snapshot/snapshot.ts'
import type { Log } from './telemetry/log.ts'
import { type FlowObserver, Tap } from './telemetry/tap.ts'
import { TicketKeys } from './tls/ticket-keys.ts'
import type { Backend } from './upstream/backend.ts'
import { UpstreamRegistry } from './upstream/registry.ts'

export interface GatewayOptions {
  readonly log: Log
  readonly grants: GrantHost
  /** Watches the crossings into the sandbox. Default: they are not watched. */
  readonly guard?: CrossingGuard
  /** Remembers the backends of clients beyond this process. Default: nothing does. */
  readonly places?: SessionPlaces
  /** Called when the probes of this process change a backend's health or weight. */
  readonly onHealth?: (backend: Backend) => void
  /** Observers of flows, in addition to the log. Default: none. */
  readonly observers?: readonly FlowObserver[]
  /** Called for every event of the sandbox, such as a crash or a timeout of a plugin. */
  readonly onEvent?: (event: SandboxEvent) => void
}

/** A configuration that is ready to become active: compiled, its listeners bound. Call exactly one of the two methods. */
export interface PreparedGateway {
  /** Activates it: everything that arrives afterwards uses it. Cannot fail. */
  commit(): void
  /** Discards it: nothing has changed. */
  abort(): void
}

/**
 * The gateway of one process: prepare and commit a configuration, drain, close.
 *
 * What survives a reload is kept here and keyed by identity: bound sockets, backends with their health and pools, and the
 * sandbox while no policy changes. Everything else belongs to the snapshot, which is replaced as a whole.
 */
export class Gateway {
  readonly upstreams: UpstreamRegistry
  readonly tickets: TicketKeys = new TicketKeys()
  /** Certificates by ACME, and challenges under way. */
  readonly acme: AcmeState = new AcmeState()
  readonly #options: GatewayOptions
  readonly #tap: Tap
  readonly #listeners = new Map<string, Listener>()
  /** Number of snapshots that run their policies in each sandbox. */
  readonly #sandboxes = new Map<Sandbox, number>()
  readonly #quarantined = new Map<string, QuarantineState>()
  readonly #suspects = new Set<string>()
  readonly #unwatch: () => void
  #ending = false
  #isTlsChecked = false
  /** Ends the delay of a drain. */
  #endDelay: (() => void) | undefined
  #snapshot: Snapshot | undefined

  constructor(options: GatewayOptions) {
    this.#options = options
    this.#tap = new Tap([options.log, ...(options.observers ?? [])])
    this.#unwatch = descriptors.watch((limit) => {
      options.log.warn(`descriptors are used up (${limit}): raise \`ulimit -n\``)
    })
    this.upstreams = new UpstreamRegistry({
      onHealth: (backend, healthy, why) => {
        const facts = { upstream: backend.upstream, backend: backend.address, why }
        if (healthy) options.log.info('backend up', facts)
        else options.log.warn('backend down', facts)
        options.onHealth?.(backend)
      },
      onState: options.onHealth,
      // Probes survive reloads: each one asks the policies that are active when it begins.
      examine: (backend, timeout, done) => {
        const snapshot = this.#snapshot
        const chain = snapshot?.examiners.get(backend.upstream)
        return chain && new HealthFlow(backend, snapshot!, chain, timeout, this.#tap, done)
      },
    })
  }

  /**
   * Compiles a configuration and binds its new listeners, in slices, so that traffic is not delayed. Parts that are the same
   * objects as in the active configuration are not compiled again.
   *
   * @param sockets already bound, by `listenerKey`. Default: each listener binds its own address.
   * @throws {PluginBuildError} when a plugin does not start.
   * @throws {Error} when a listener cannot be bound, or the gateway is shutting down. Nothing has changed in either case.
   */
  async prepare(
    checked: CheckedConfig,
    sockets: ReadonlyMap<string, BoundHandle> = new Map(),
  ): Promise<PreparedGateway> {
    const before = this.#snapshot
    const policies = PolicySet.of(checked.policies, before?.policies)
    const sandbox = this.#retainSandbox(policies)
    const opened: Listener[] = []
    const abort = (): void => {
      for (const listener of opened) listener.close()
      this.#releaseSandbox(sandbox)
    }
    try {
      await this.#checkSockets(checked.config)
      const compiled = await inSlices(this.#compile(checked, policies, sandbox, before))
      for (const plan of compiled.snapshot.listeners.values()) {
        const key = listenerKey(plan.name, plan.config)
        if (this.#listeners.has(key)) continue
        this.#refuseIfEnding()
        const listener = createListener(plan, this.#tap, this.tickets, this.#options.places)
        opened.push(listener)
        await listener.open(sockets.get(key))
      }
      this.#refuseIfEnding()
      const commit = (): void => {
        // The gateway has been shut down since: its listeners must not start anew.
        if (this.#ending) return abort()
        compiled.commit()
        this.#options.log.configure(checked.config.log, checked.secrets)
        this.#swap(compiled.snapshot, opened)
      }
      return { commit, abort }
    } catch (error) {
      abort()
      throw error
    }
  }

  async #checkSockets({ listeners, upstreams }: Config): Promise<void> {
    const problem = await checkRawSockets()
    const { log } = this.#options
    if (problem !== undefined && this.#snapshot === undefined) {
      log.warn('raw sockets do not work with this node; connections use slower ones', { cause: problem })
    }
    if (Object.values(listeners).some(({ protocol }) => protocol === 'udp')) {
      const cause = await checkRawDatagrams()
      if (cause !== undefined) log.warn('raw UDP does not work with this node; sessions use slower sockets', { cause })
    }
    const isEncrypted = [...Object.values(listeners), ...Object.values(upstreams)].some(({ tls }) => tls !== undefined)
    if (!isEncrypted || this.#isTlsChecked) return
    this.#isTlsChecked = true
    const cause = await checkRawTls()
    if (cause !== undefined) log.warn('raw TLS does not work with this node; connections use slower sockets', { cause })
  }

  /**
   * Shuts down as `drain` of the configuration says: still accepts everything for `delay`, and announces the end; then accepts
   * nothing new, waits for everything under way up to `timeout`, ends the rest and closes.
   *
   * @param isReplaced another process serves the same sockets, so that there is nothing to announce. Default: false.
   * @returns how many requests and connections did not end by themselves.
   */
  async drain(isReplaced: boolean = false): Promise<number> {
    this.#ending = true
    const { delay: wanted, timeout } = this.#snapshot?.config.drain ?? { delay: 0, timeout: 0 }
    const listeners = [...this.#listeners.values()]
    const delay = isReplaced ? 0 : wanted
    if (isReplaced) for (const listener of listeners) listener.handOver?.()
    if (delay > 0) {
      if (this.#snapshot !== undefined) this.#snapshot.leaving = true
      for (const listener of listeners) listener.leave()
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, delay)
        this.#endDelay = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    const cutOff = await Promise.all(listeners.map((listener) => end(listener, timeout)))
    this.close()
    return cutOff.reduce((sum, count) => sum + count, 0)
  }

  /** Ends everything immediately. */
  close(): void {
    this.#ending = true
    this.#endDelay?.()
    this.#unwatch()
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
    this.upstreams.close()
    for (const sandbox of this.#sandboxes.keys()) sandbox.close()
    this.#sandboxes.clear()
  }

  /** Stops the calls of a plugin, allows one trial call, or lets it run again; also in sandboxes created later. */
  quarantine(hash: string, state: QuarantineState): void {
    this.#quarantined.set(hash, state)
    if (state === 'closed') this.#quarantined.delete(hash)
    for (const sandbox of this.#sandboxes.keys()) sandbox.quarantine(hash, state)
  }

  /** Makes calls of these plugins cross alone, so that a crash has one possible cause; also in sandboxes created later. */
  suspect(hashes: readonly string[], on: boolean): void {
    for (const hash of hashes) {
      if (on) this.#suspects.add(hash)
      else this.#suspects.delete(hash)
    }
    for (const sandbox of this.#sandboxes.keys()) sandbox.suspect(hashes, on)
  }

  /** Port that a listener is bound to; `undefined` when there is no such listener. */
  port(name: string): number | undefined {
    for (const listener of this.#listeners.values()) if (listener.plan.name === name) return listener.port
    return undefined
  }

  /** Requests and connections under way. */
  get active(): number {
    let active = 0
    for (const listener of this.#listeners.values()) active += listener.active
    return active
  }

  /** The active snapshot. @throws {Error} before the first commit. */
  get snapshot(): Snapshot {
    if (this.#snapshot === undefined) throw new Error('no configuration is in force yet')
    return this.#snapshot
  }

  *#compile(
    { config }: CheckedConfig,
    policies: PolicySet,
    sandbox: Sandbox,
    before: Snapshot | undefined,
  ): Steps<{ snapshot: Snapshot; commit: () => void }> {
    const { upstreams, commit } = yield* this.upstreams.prepare(config.upstreams)
    return {
      snapshot: yield* Snapshot.compile({ config, policies, upstreams, sandbox, acme: this.acme }, before),
      commit,
    }
  }

  /** The active sandbox if it runs the same instances, else a new one. */
  #retainSandbox({ instances }: PolicySet): Sandbox {
    const { grants, guard, onEvent } = this.#options
    const before = this.#snapshot
    const kept =
      before !== undefined && isSameSandbox(before.policies.instances, instances) ? before.sandbox : undefined
    const options = { instances, grants, ...(guard && { guard }), ...(onEvent && { onEvent }) }
    const sandbox = kept ?? createSandbox({ ...options, isDevelopment: () => this.#isDevelopment() })
    this.#sandboxes.set(sandbox, (this.#sandboxes.get(sandbox) ?? 0) + 1)
    if (kept === undefined) {
      for (const [hash, state] of this.#quarantined) sandbox.quarantine(hash, state)
      sandbox.suspect([...this.#suspects], true)
    }
    return sandbox
  }

  /** Someone looks at the log while it is written, or has asked for all of it. */
  #isDevelopment(): boolean {
    return process.stdout.isTTY === true || this.#snapshot?.config.log.level === 'debug'
  }

  #refuseIfEnding(): void {
    if (this.#ending) throw new Error('the gateway is shutting down')
  }

  #swap(snapshot: Snapshot, opened: readonly Listener[]): void {
    const before = this.#snapshot
    this.#snapshot = snapshot
    for (const listener of opened) this.#listeners.set(listenerKey(listener.plan.name, listener.plan.config), listener)
    const planned = new Map([...snapshot.listeners.values()].map((plan) => [listenerKey(plan.name, plan.config), plan]))
    for (const [key, listener] of [...this.#listeners]) {
      const plan = planned.get(key)
      if (plan !== undefined) {
        listener.replan(plan, snapshot.config.drain.timeout)
        continue
      }
      this.#listeners.delete(key)
      void end(listener, snapshot.config.drain.timeout)
    }
    this.#options.places?.expire(longestSilence(snapshot.config))
    before?.retire(() => this.#releaseSandbox(before.sandbox))
  }

  #releaseSandbox(sandbox: Sandbox): void {
    const users = (this.#sandboxes.get(sandbox) ?? 1) - 1
    if (users > 0) return void this.#sandboxes.set(sandbox, users)
    // `close` of the gateway has already closed and removed it.
    if (this.#sandboxes.delete(sandbox)) sandbox.close()
  }
}

function createListener(
  plan: HttpPlan | TcpPlan,
  tap: Tap,
  tickets: TicketKeys,
  places: SessionPlaces | undefined,
): Listener {
  if (plan.layer === 'L7') return new HttpListener(plan, tap, tickets)
  return plan.config.protocol === 'udp' ? new UdpListener(plan, tap, places) : new TcpListener(plan, tap, tickets)
}

/** Longest idle time of a session of UDP, ms. */
function longestSilence({ upstreams }: Config): number {
  let longest = 0
  for (const { protocol, timeouts } of Object.values(upstreams)) {
    if (protocol === 'udp') longest = Math.max(longest, timeouts.idle)
  }
  return longest
}

/** The same code with the same options and limits is the same sandbox. */
function isSameSandbox(a: readonly Instance[], b: readonly Instance[]): boolean {
  return a === b || sandboxKey(a) === sandboxKey(b)
}

function sandboxKey(instances: readonly Instance[]): string {
  return JSON.stringify(
    instances.map(({ plugin, ...instance }) => ({ ...instance, hash: plugin.hash, file: plugin.file })),
  )
}

/** Resolves with the number of requests and connections that were still under way at the deadline. */
async function end(listener: Listener, deadline: number): Promise<number> {
  let cutOff = 0
  const timer = setTimeout(() => {
    cutOff = listener.active
    listener.close()
  }, deadline)
  await listener.drain()
  clearTimeout(timer)
  return cutOff
}
