import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '../config/config-error.ts'
import type { Config, ListenerConfig, LogConfig } from '../config/types.ts'
import { listenerKey } from '../listen/listener.ts'
import { descriptors } from '../net/descriptors.ts'
import { unixPath } from '../net/unix-address.ts'
import { permitUnix, removeStale } from '../net/unix-listening.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { Log } from '../telemetry/log.ts'
import { AcmeRelay } from './acme-relay.ts'
import { changedNames } from './changed-names.ts'
import { checkApart } from './checker.ts'
import type { PackedConfig } from './packed-config.ts'
import { type Broadcast, SharedState } from './shared-state.ts'
import { SlotSockets } from './slot-socket.ts'
import { Spare } from './spare.ts'
import { endChildren } from './spawn.ts'
import { type Current, type SlotHost, WorkerSlot } from './worker-slot.ts'

/** A process with fewer descriptors than this is warned of: a request takes two. */
const fewDescriptors = 4096

export interface SupervisorOptions {
  /** Path of the configuration. */
  readonly config: string
  /** Number of workers. Default: as configured. */
  readonly workers?: number | undefined
  /** Lowest level that is logged. Default: as configured. */
  readonly logLevel?: LogConfig['level'] | undefined
  readonly log: Log
  /** Longest time of the check of a configuration, ms. Default: 30,000. */
  readonly checkDeadline?: number
}

/** What a reload has changed. */
export interface Reloaded {
  /** Paths in the configuration, such as `routes.orders`; empty when it is the same as before. */
  readonly changed: readonly string[]
  /** Every listener with its port. */
  readonly listeners: readonly string[]
}

/** What did not end by itself in a drain. */
export interface Drained {
  /** Workers that had to be killed. */
  readonly killed: number
  /** Requests and connections that the other workers ended at the deadline. */
  readonly cutOff: number
}

/** Time that workers have after `drain` to close and exit, ms. */
const drainGrace = 5_000
/** A longer timer would fire immediately, ms. */
const longestTimer = 2 ** 31 - 1
/** Workers for each core from which on they only cost memory, and beyond which they are refused. */
const perCore = { sensible: 2, most: 8 }

/**
 * Starts, watches, reloads and ends the workers of a host. It owns everything that must outlive a worker: the bound
 * sockets and the shared state. It runs no code of plugins.
 */
export class Supervisor implements SlotHost {
  readonly log: Log
  readonly shared: SharedState
  readonly acme: AcmeRelay
  readonly spare: Spare
  /** Holds crash slots and compiled code of the workers. Crash slots are written at every crossing. */
  readonly #folder: string
  readonly #options: SupervisorOptions
  readonly #sockets = new Map<string, SlotSockets>()
  #slots: readonly WorkerSlot[] = []
  #current: Current | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #stopping = false
  #cutOff = 0
  readonly #ended = new AbortController()

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.log = options.log
    this.#folder = createFolder(options.log)
    this.spare = new Spare(this.#folder, options.log)
    const tell: Broadcast = (message, except) => {
      for (const slot of this.#slots) if (slot !== except) slot.tell(message)
    }
    this.shared = new SharedState(options.log, tell)
    this.acme = new AcmeRelay(options.log, {
      tell,
      challenge: async (challenges) => void (await Promise.all(this.#slots.map((slot) => slot.challenge(challenges)))),
    })
  }

  /**
   * Starts all workers. Resolves when every worker serves. When it fails, everything is closed.
   *
   * @throws {ConfigError} when the configuration is rejected.
   * @throws {Error} when an address cannot be bound, a worker cannot start, or `drain` or `close` was called.
   */
  async start(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      // `drain` and `close` are ending everything themselves.
      if (!this.#stopping) await this.close()
      throw error
    }
  }

  async #start(): Promise<void> {
    const { packed, runtime } = await this.#check()
    if (this.#stopping) throw new Error('stopped while it was starting')
    const { config } = packed.rest
    const count = this.#workerCount(config)
    await this.#bind(config, count)
    this.#adopt({ generation: 1, packed, runtime })
    if (descriptors.limit < fewDescriptors) {
      const message = `a worker can have only ${descriptors.limit} descriptors, two for each request: raise \`ulimit -n\` to ${fewDescriptors} or more`
      this.log.warn(message)
    }
    this.#slots = Array.from({ length: count }, (_, index) => new WorkerSlot(index, count, this))
    const problems = await Promise.all(this.#slots.map((slot) => slot.start()))
    const problem = problems.find((one) => one !== undefined)
    if (problem !== undefined) throw new Error(problem)
  }

  #workerCount({ workers }: Config): number {
    const cores = availableParallelism()
    const count = this.#options.workers ?? (workers === 'auto' ? cores : workers)
    // Small machines run several workers in tests and trials.
    const most = Math.max(16, cores * perCore.most)
    const host = cores === 1 ? 'this host has 1 core' : `this host has ${cores} cores`
    if (count > most) throw new Error(`${count} workers are too many: ${host}; use at most ${most}`)
    if (count > cores * perCore.sensible) {
      this.log.warn(`more workers than cores: ${host}, and each worker takes some 60 MB`, { workers: count })
    }
    return count
  }

  /**
   * Reads the configuration again and puts it in force in every worker, or in none.
   *
   * @throws {ConfigError} when the configuration is rejected; the previous one stays in force.
   * @throws {Error} when an address cannot be bound, or a worker cannot run the configuration; the previous one stays
   *   in force.
   */
  reload(): Promise<Reloaded> {
    const next = this.#turn.then(() => this.#reload())
    this.#turn = next.catch(() => {})
    return next
  }

  async #reload(): Promise<Reloaded> {
    this.#refuseIfStopping()
    const before = this.current.packed
    const next: Current = { ...(await this.#check()), generation: this.current.generation + 1 }
    this.#refuseIfStopping()
    const { generation, packed } = next
    const added = await this.#bind(packed.rest.config, this.#slots.length)
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
    this.#warnOfWorkers()
    const listeners = Object.keys(this.config.listeners).map((name) => `${name} ${this.port(name) || this.where(name)}`)
    return { changed: changedNames(before, packed), listeners }
  }

  #refuseIfStopping(): void {
    if (this.#stopping) throw new Error('the gateway is shutting down')
  }

  #warnOfWorkers(): void {
    const { workers } = this.config
    const running = this.#slots.length
    if (this.#options.workers !== undefined || workers === 'auto' || workers === running) return
    this.log.warn('"workers" takes effect at the next start', { running, configured: workers })
  }

  /**
   * Accepts nothing new, lets everything in progress finish, and ends the workers. At the deadline they end what is
   * left; a worker that has not exited some seconds later is killed. Workers that are still starting are ended
   * immediately.
   *
   * @returns what did not end by itself.
   */
  async drain(): Promise<Drained> {
    const hasWork = this.#slots.some((slot) => slot.hasWork)
    this.#stopping = true
    this.#ended.abort()
    // Connections that wait in the sockets are still served. The addresses are free once the workers have closed their
    // handles.
    for (const key of [...this.#sockets.keys()]) this.#unbind(key)
    this.spare.close()
    let killed = 0
    const { delay, timeout } = hasWork ? this.config.drain : { delay: 0, timeout: 0 }
    const limit = Math.min(delay + timeout + drainGrace, longestTimer)
    const deadline = setTimeout(() => {
      const pids = this.#slots.flatMap(({ pid }) => pid ?? [])
      killed = pids.length
      this.log.error('workers killed: they had not ended after the drain', { pids, ms: limit })
      for (const slot of this.#slots) void slot.kill()
    }, limit)
    await Promise.all(this.#slots.map((slot) => slot.drain()))
    clearTimeout(deadline)
    await this.close()
    return { killed, cutOff: this.#cutOff }
  }

  /** Ends everything immediately. */
  async close(): Promise<void> {
    this.#stopping = true
    this.#ended.abort()
    for (const slot of this.#slots) void slot.kill()
    for (const key of [...this.#sockets.keys()]) this.#unbind(key)
    this.spare.close()
    this.shared.close()
    // A process that has not exited would write into the folder, and create it again.
    await endChildren()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Port that a listener is bound to; `undefined` if there is no such listener. */
  port(name: string): number | undefined {
    const listener = this.#current?.packed.rest.config.listeners[name]
    return listener === undefined ? undefined : this.#sockets.get(listenerKey(name, listener))?.port
  }

  /** Address and port of a listener, for messages; `undefined` if there is no such listener. */
  where(name: string): string | undefined {
    const { address } = this.config.listeners[name] ?? {}
    if (address === undefined) return undefined
    return unixPath(address) === undefined ? `${address} port ${this.port(name)}` : address
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

  /**
   * A worker began or stopped serving. Makes exactly one of the serving workers probe the backends and order certificates,
   * the same one as long as it serves: an order takes seconds.
   */
  onServing(): void {
    const serving = this.#slots.filter((slot) => slot.serving)
    const leader = serving.find((slot) => slot.leading) ?? serving[0]
    for (const slot of this.#slots) slot.lead(slot === leader)
    if (this.#slots.every((slot) => slot.serving)) this.spare.refill()
  }

  onDrained(cutOff: number): void {
    this.#cutOff += cutOff
  }

  async #check(): Promise<{ packed: PackedConfig; runtime: Runtime }> {
    const isServing = this.#slots.some((slot) => slot.serving)
    const { checkDeadline } = this.#options
    const { result, runtime } = await checkApart(this.#options.config, {
      folder: this.#folder,
      inBackground: isServing,
      signal: this.#ended.signal,
      ...(this.#current !== undefined && { runtime: this.#current.runtime }),
      ...(checkDeadline !== undefined && { deadline: checkDeadline }),
    })
    if (!result.ok) throw new ConfigError(result.problems)
    return { packed: this.#withLogLevel(result), runtime }
  }

  #withLogLevel(packed: PackedConfig): PackedConfig {
    const { logLevel: level } = this.#options
    if (level === undefined) return packed
    const { rest } = packed
    return { ...packed, rest: { ...rest, config: { ...rest.config, log: { ...rest.config.log, level } } } }
  }

  #adopt(current: Current): void {
    const { config, secrets, warnings } = current.packed.rest
    const before = this.#current?.packed.rest.config
    this.#current = current
    this.log.configure(config.log, secrets)
    if (before !== undefined) this.#permit(before, config)
    this.shared.adopt(current.packed)
    this.acme.adopt(config.acme)
    for (const warning of warnings) this.log.warn('configuration', { ...warning })
  }

  /** Sockets with a path stay bound when their `mode` changes. */
  #permit(before: Config, after: Config): void {
    const known = new Map(Object.values(before.listeners).map(({ address, mode }) => [address, mode]))
    for (const [listener, { address, mode }] of Object.entries(after.listeners)) {
      const path = unixPath(address)
      if (path === undefined || !known.has(address) || known.get(address) === mode) continue
      try {
        permitUnix(path, mode!)
      } catch (error) {
        this.log.error(`the socket keeps its permissions: ${(error as Error).message}`, { listener })
      }
    }
  }

  /** Binds all listeners that are not bound yet, or none of them; returns the keys of those it has bound. */
  async #bind(config: Config, slots: number): Promise<string[]> {
    const added: string[] = []
    try {
      for (const [name, listener] of Object.entries(config.listeners)) {
        const key = listenerKey(name, listener)
        if (this.#sockets.has(key)) continue
        this.#refuseOtherProtocol(name, listener)
        const path = unixPath(listener.address)
        if (path !== undefined) await removeStale(path)
        const sockets = new SlotSockets(name, listener, slots)
        this.#sockets.set(key, sockets)
        added.push(key)
        if (sockets.shortBuffer !== undefined) this.#warnOfBuffer(name, sockets.shortBuffer)
      }
    } catch (error) {
      for (const key of added) this.#unbind(key)
      throw error
    }
    return added
  }

  #warnOfBuffer(listener: string, size: number): void {
    const wanted = 'raise net.core.rmem_max to 4194304, or datagrams are lost when many come at once'
    this.log.warn(`the receive buffer has only ${size} bytes: ${wanted}`, { listener })
  }

  /** The system would only say that the address is in use. */
  #refuseOtherProtocol(name: string, { protocol, address, port }: ListenerConfig): void {
    const before = Object.values(this.#current?.packed.rest.config.listeners ?? {})
    const isUdp = protocol === 'udp'
    const other = before.find((one) => {
      return port !== 0 && one.address === address && one.port === port && (one.protocol === 'udp') === isUdp
    })
    if (other === undefined) return
    const change = `from ${other.protocol} to ${protocol}`
    throw new Error(`listener "${name}": a reload cannot change port ${port} ${change}; restart, or use another port`)
  }

  #unbind(key: string): void {
    this.#sockets.get(key)?.close()
    this.#sockets.delete(key)
  }
}

/**
 * A new folder that only this user can access: its files are executed, and read after crashes. On tmpfs on Linux, if
 * possible.
 */
function createFolder(log: Log): string {
  if (process.platform === 'linux') {
    try {
      return mkdtempSync('/dev/shm/postern-')
    } catch (error) {
      const problem = (error as Error).message
      log.warn('no folder in /dev/shm: notes about running plugin calls go to a disk, which is slower', { problem })
    }
  }
  return mkdtempSync(join(tmpdir(), 'postern-'))
}
