import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '../config/config-error.ts'
import type { Config } from '../config/types.ts'
import { listenerKey } from '../listen/listener.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { Log } from '../telemetry/log.ts'
import { checkApart } from './checker.ts'
import type { PackedConfig } from './packed-config.ts'
import { SharedState } from './shared-state.ts'
import { SlotSockets } from './slot-socket.ts'
import { Spare } from './spare.ts'
import { type Current, type SlotHost, WorkerSlot } from './worker-slot.ts'

export interface SupervisorOptions {
  /** Path of the configuration. */
  readonly config: string
  /** Number of workers. Default: as configured. */
  readonly workers?: number | undefined
  readonly log: Log
  /** Longest time of the check of a configuration, ms. Default: 30,000. */
  readonly checkDeadline?: number
}

/**
 * Starts, watches, reloads and ends the workers of a host. It owns everything that must outlive a worker: the bound
 * sockets and the shared state. It runs no code of plugins.
 */
export class Supervisor implements SlotHost {
  readonly log: Log
  readonly shared: SharedState
  readonly spare: Spare
  /**
   * Holds crash slots and compiled code of the workers. On tmpfs on Linux, because crash slots are written at every
   * crossing.
   */
  readonly #folder: string
  readonly #options: SupervisorOptions
  readonly #sockets = new Map<string, SlotSockets>()
  #slots: readonly WorkerSlot[] = []
  #current: Current | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #stopping = false
  readonly #ended = new AbortController()

  private constructor(options: SupervisorOptions) {
    this.#options = options
    this.log = options.log
    // A new folder that only this user can access: its files are executed, and read after crashes.
    this.#folder = mkdtempSync(join(process.platform === 'linux' ? '/dev/shm' : tmpdir(), 'postern-'))
    this.spare = new Spare(this.#folder)
    this.shared = new SharedState(options.log, (message, except) => {
      for (const slot of this.#slots) if (slot !== except) slot.tell(message)
    })
  }

  /**
   * Starts all workers. Resolves when every worker serves.
   *
   * @throws {ConfigError} when the configuration is rejected.
   * @throws {Error} when an address cannot be bound, or a worker cannot start.
   */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const supervisor = new Supervisor(options)
    try {
      await supervisor.#start()
    } catch (error) {
      await supervisor.close()
      throw error
    }
    return supervisor
  }

  async #start(): Promise<void> {
    const { packed, runtime } = await this.#check()
    const { config } = packed.rest
    const { workers } = config
    const count = this.#options.workers ?? (workers === 'auto' ? availableParallelism() : workers)
    this.#bind(config, count)
    this.#adopt({ generation: 1, packed, runtime })
    this.#slots = Array.from({ length: count }, (_, index) => new WorkerSlot(index, this))
    const problems = await Promise.all(this.#slots.map((slot) => slot.start()))
    const problem = problems.find((one) => one !== undefined)
    if (problem !== undefined) throw new Error(problem)
  }

  /**
   * Reads the configuration again and puts it in force in every worker, or in none.
   *
   * @throws {ConfigError} when the configuration is rejected; the previous one stays in force.
   * @throws {Error} when an address cannot be bound, or a worker cannot run the configuration; the previous one stays
   *   in force.
   */
  reload(): Promise<void> {
    const next = this.#turn.then(() => (this.#stopping ? undefined : this.#reload()))
    this.#turn = next.catch(() => {})
    return next
  }

  async #reload(): Promise<void> {
    const next: Current = { ...(await this.#check()), generation: this.current.generation + 1 }
    const { generation, packed } = next
    const added = this.#bind(packed.rest.config, this.#slots.length)
    const serving = this.#slots.filter((slot) => slot.serving)
    const problems = await Promise.all(serving.map((slot) => slot.prepare(next, added)))
    const problem = problems.find((one) => one !== undefined)
    if (problem !== undefined) {
      for (const slot of serving) slot.tell({ type: 'abort', generation })
      for (const key of added) this.#unbind(key)
      throw new Error(problem)
    }
    this.#adopt(next)
    await Promise.all(serving.map((slot) => slot.commit(generation)))
    const wanted = new Set(this.listeners().map(([key]) => key))
    for (const key of [...this.#sockets.keys()]) if (!wanted.has(key)) this.#unbind(key)
  }

  /**
   * Accepts nothing new, lets everything in progress finish, and ends the workers. At the deadline they end what is
   * left.
   */
  async drain(): Promise<void> {
    this.#stopping = true
    // Connections that wait in the sockets are still served. The addresses are free once the workers have closed their
    // handles.
    for (const key of [...this.#sockets.keys()]) this.#unbind(key)
    this.spare.close()
    await Promise.all(this.#slots.map((slot) => slot.drain()))
    await this.close()
  }

  /** Ends everything immediately. */
  async close(): Promise<void> {
    this.#stopping = true
    this.#ended.abort()
    await Promise.all(this.#slots.map((slot) => slot.kill()))
    for (const key of [...this.#sockets.keys()]) this.#unbind(key)
    this.spare.close()
    this.shared.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Port that a listener is bound to; `undefined` if there is no such listener. */
  port(name: string): number | undefined {
    const listener = this.#current?.packed.rest.config.listeners[name]
    return listener === undefined ? undefined : this.#sockets.get(listenerKey(name, listener))?.port
  }

  /** Number of routes of a listener. */
  routes(name: string): number {
    return this.current.packed.routeCounts.get(name) ?? 0
  }

  /** The configuration in force, without routes and upstreams, which only workers unpack. */
  get config(): Omit<Config, 'routes' | 'upstreams'> {
    return this.current.packed.rest.config
  }

  get current(): Current {
    if (this.#current === undefined) throw new Error('no configuration is in force yet')
    return this.#current
  }

  get stopping(): boolean {
    return this.#stopping
  }

  sockets(key: string): SlotSockets | undefined {
    return this.#sockets.get(key)
  }

  listeners(): [key: string, name: string][] {
    return Object.entries(this.config.listeners).map(([name, listener]) => [listenerKey(name, listener), name])
  }

  /** A worker began or stopped serving. Makes exactly one of the serving workers probe the backends. */
  onServing(): void {
    const leader = this.#slots.find((slot) => slot.serving)
    for (const slot of this.#slots) slot.lead(slot === leader)
    if (this.#slots.every((slot) => slot.serving)) this.spare.refill()
  }

  async #check(): Promise<{ packed: PackedConfig; runtime: Runtime }> {
    const isServing = this.#slots.some((slot) => slot.serving)
    const { checkDeadline } = this.#options
    const { result, runtime } = await checkApart(this.#options.config, {
      cache: join(this.#folder, 'cache'),
      inBackground: isServing,
      signal: this.#ended.signal,
      ...(checkDeadline !== undefined && { deadline: checkDeadline }),
    })
    if (!result.ok) throw new ConfigError(result.problems)
    return { packed: result, runtime }
  }

  #adopt(current: Current): void {
    const { config, secrets, warnings } = current.packed.rest
    this.#current = current
    this.log.configure(config.log, secrets)
    this.shared.adopt(current.packed)
    for (const warning of warnings) this.log.warn('configuration', { ...warning })
  }

  /** Binds all listeners that are not bound yet, or none of them; returns the keys of those it has bound. */
  #bind(config: Config, slots: number): string[] {
    const added: string[] = []
    try {
      for (const [name, listener] of Object.entries(config.listeners)) {
        const key = listenerKey(name, listener)
        if (this.#sockets.has(key)) continue
        this.#sockets.set(key, new SlotSockets(name, listener, slots))
        added.push(key)
      }
    } catch (error) {
      for (const key of added) this.#unbind(key)
      throw error
    }
    return added
  }

  #unbind(key: string): void {
    this.#sockets.get(key)?.close()
    this.#sockets.delete(key)
  }
}
