import type { DestinationStream } from 'pino'
import { type CheckResult, checkConfig } from './config/check.ts'
import type { Problem } from './config/problem.ts'
import { createGrantHost, type GrantHost } from './grants/grant-host.ts'
import { HttpListener } from './listen/http.ts'
import type { Listener } from './listen/listener.ts'
import { TcpListener } from './listen/tcp.ts'
import { Log } from './log.ts'
import type { Instance, Sandbox } from './sandbox/plugin.ts'
import { createSandbox } from './sandbox/sandbox.ts'
import { compilePolicies, type HttpPlan, Snapshot, type TcpPlan } from './snapshot.ts'
import { UpstreamRegistry } from './upstream/registry.ts'

export interface GatewayOptions {
  /** Path of the configuration. Default: `gateway.json` in the working directory. */
  readonly config?: string
  /** What `${env:NAME}` references read. Default: the environment of the process. */
  readonly env?: NodeJS.ProcessEnv
  /** Where the log goes, a JSON object per line. Default: standard output. */
  readonly log?: DestinationStream
}

/** The configuration was refused; the gateway did not start, or kept what it had. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** All that is wrong with it. */
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} in the configuration`)
    this.problems = problems
  }
}

type Checked = Extract<CheckResult, { ok: true }>

/**
 * A running gateway: start, reload, drain, close.
 *
 * What outlives a reload is kept here and keyed by identity: bound sockets, backends with their health and pools,
 * counters, and the sandbox as long as no policy changed. Everything else is the snapshot's and swapped whole.
 */
export class Gateway {
  readonly log: Log
  readonly #file: string
  readonly #env: NodeJS.ProcessEnv
  readonly #grants: GrantHost = createGrantHost()
  readonly #upstreams: UpstreamRegistry
  readonly #listeners = new Map<string, Listener>()
  /** How many snapshots run their policies in it. */
  readonly #sandboxes = new Map<Sandbox, number>()
  #sandboxKey = ''
  #snapshot: Snapshot | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #closing = false

  private constructor(options: GatewayOptions) {
    this.#file = options.config ?? 'gateway.json'
    this.#env = options.env ?? process.env
    this.log = new Log(options.log)
    this.#upstreams = new UpstreamRegistry((backend, healthy, why) => {
      const facts = { upstream: backend.upstream, backend: backend.address, why }
      if (healthy) this.log.info('backend up', facts)
      else this.log.warn('backend down', facts)
    })
  }

  /**
   * Checks the configuration, compiles it and binds every listener; all or nothing.
   *
   * @throws {ConfigError} when the configuration is refused.
   * @throws {Error} when a listener cannot be bound.
   */
  static async start(options: GatewayOptions = {}): Promise<Gateway> {
    const gateway = new Gateway(options)
    try {
      await gateway.#apply()
    } catch (error) {
      await gateway.close()
      throw error
    }
    return gateway
  }

  /**
   * Reads the configuration again. One that is refused, or cannot be applied, changes nothing.
   *
   * @throws {ConfigError} when it is refused; the old one goes on.
   */
  reload(): Promise<void> {
    const next = this.#turn.then(() => (this.#closing ? undefined : this.#apply()))
    this.#turn = next.catch(() => {})
    return next
  }

  /** Takes nothing new, lets everything under way end, and closes; at the deadline it ends what is left. */
  async drain(): Promise<void> {
    this.#closing = true
    const deadline = this.#snapshot?.config.drain ?? 0
    await Promise.all([...this.#listeners.values()].map((listener) => end(listener, deadline)))
    await this.close()
  }

  /** Ends everything now. */
  async close(): Promise<void> {
    this.#closing = true
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
    this.#upstreams.close()
    for (const sandbox of this.#sandboxes.keys()) sandbox.close()
    this.#sandboxes.clear()
    this.log.flush()
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

  get snapshot(): Snapshot {
    return this.#snapshot!
  }

  async #apply(): Promise<void> {
    const checked = await checkConfig(this.#file, { env: this.#env })
    if (!checked.ok) throw new ConfigError(checked.problems)
    const snapshot = this.#compile(checked)
    const opened: Listener[] = []
    try {
      for (const plan of snapshot.snapshot.listeners.values()) {
        if (this.#listeners.has(keyOf(plan))) continue
        const listener =
          plan.config.protocol === 'http'
            ? new HttpListener(plan as HttpPlan, this.log)
            : new TcpListener(plan as TcpPlan, this.log)
        opened.push(listener)
        await listener.open()
      }
    } catch (error) {
      for (const listener of opened) listener.close()
      this.#releaseSandbox(snapshot.snapshot.sandbox)
      throw error
    }
    snapshot.commit()
    this.log.configure(checked.config.log, checked.secrets)
    for (const warning of checked.warnings) this.log.warn('configuration', { ...warning })
    this.#swap(snapshot.snapshot, opened)
  }

  #compile(checked: Checked): { snapshot: Snapshot; commit(): void } {
    const { policies, instances } = compilePolicies(checked.policies)
    const key = sandboxKey(instances)
    const kept = key === this.#sandboxKey ? this.#snapshot?.sandbox : undefined
    const sandbox = kept ?? createSandbox({ instances, grants: this.#grants })
    this.#sandboxes.set(sandbox, (this.#sandboxes.get(sandbox) ?? 0) + 1)
    const prepared = this.#upstreams.prepare(checked.config.upstreams)
    const snapshot = new Snapshot({ config: checked.config, policies, upstreams: prepared.upstreams, sandbox })
    return {
      snapshot,
      commit: () => {
        prepared.commit()
        this.#sandboxKey = key
      },
    }
  }

  /** From here on nothing can fail: the new plan is in force, listeners that are gone drain. */
  #swap(snapshot: Snapshot, opened: readonly Listener[]): void {
    const before = this.#snapshot
    this.#snapshot = snapshot
    for (const listener of opened) this.#listeners.set(keyOf(listener.plan), listener)
    const planned = new Map([...snapshot.listeners.values()].map((plan) => [keyOf(plan), plan]))
    for (const [key, listener] of [...this.#listeners]) {
      const plan = planned.get(key)
      if (plan !== undefined) {
        listener.replan(plan, snapshot.config.drain)
        continue
      }
      this.#listeners.delete(key)
      void end(listener, snapshot.config.drain)
    }
    before?.retire(() => this.#releaseSandbox(before.sandbox))
  }

  #releaseSandbox(sandbox: Sandbox): void {
    const users = (this.#sandboxes.get(sandbox) ?? 1) - 1
    this.#sandboxes.set(sandbox, users)
    if (users > 0) return
    this.#sandboxes.delete(sandbox)
    sandbox.close()
  }
}

/** A socket outlives a reload as long as it is bound to the same place in the same protocol. */
function keyOf(plan: HttpPlan | TcpPlan): string {
  const { protocol, address, port } = plan.config
  return JSON.stringify(port === 0 ? [protocol, address, port, plan.name] : [protocol, address, port])
}

/** The same code with the same options and limits is the same sandbox. */
function sandboxKey(instances: readonly Instance[]): string {
  return JSON.stringify(
    instances.map(({ plugin, ...instance }) => ({ ...instance, hash: plugin.hash, file: plugin.file })),
  )
}

async function end(listener: Listener, deadline: number): Promise<void> {
  const timer = setTimeout(() => listener.close(), deadline)
  await listener.drain()
  clearTimeout(timer)
}
