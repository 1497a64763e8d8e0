import { CounterAuthority, type CounterWorker } from '../../core/grants/counter/authority.ts'
import type { LeaseNews, LeaseOrders } from '../../core/grants/counter/lease-messages.ts'
import { LeasedCounters } from '../../core/grants/counter/leased-counters.ts'
import type { CounterBounds } from '../../core/grants/counter/limit-table.ts'
import type { CounterResult } from '../../sdk/grants.ts'
import { FakeTime } from '../process/fake-time.ts'
import { DispatcherModel } from './dispatcher-model.ts'

/** A take, and what became of it. */
export interface ModelTake {
  readonly cost: number
  readonly asked: number
  answered?: number
  result?: CounterResult
}

interface ModelWorker {
  readonly counters: LeasedCounters
  readonly dispatchers: DispatcherModel
  readonly port: CounterWorker
  readonly up: LeaseOrders[]
  readonly down: LeaseNews[]
}

/** The bounds are those of the workers. */
export interface ModelOptions extends CounterBounds {
  readonly workers: number
  readonly points: number
  /** Seconds. */
  readonly duration: number
  /** How long the authority waits for points to come back, ms. */
  readonly timeout?: number
  /** The dispatchers of isolates decide what they can. Default: the worker decides. */
  readonly inside?: boolean
}

/** Workers and their authority, with a clock and with channels that move only when told to. */
export class LeaseModel {
  readonly time = new FakeTime()
  readonly takes: ModelTake[] = []
  /** When the windows of the authority end, by number. */
  readonly windows = new Map<number, number>()
  /** Messages delivered so far. */
  messages = 0
  readonly #options: ModelOptions
  readonly #authority: CounterAuthority
  readonly #workers: ModelWorker[]
  #dead: CounterWorker[] = []

  constructor(options: ModelOptions) {
    const { now, schedule } = this.time
    this.#options = options
    const { timeout } = options
    this.#authority = new CounterAuthority({ now, schedule, ...(timeout === undefined ? {} : { timeout }) })
    this.#workers = Array.from({ length: options.workers }, () => this.#start())
  }

  /** Several takes in one turn of a worker. */
  take(worker: number, costs: readonly number[], key = 'k'): Promise<void> {
    const { points, duration, inside = false } = this.#options
    const { counters, dispatchers } = this.#at(worker)
    const limits = costs.map((cost) => ({ points, duration, cost }))
    const results = inside
      ? dispatchers.cross(limits.map((limit) => [key, limit] as const))
      : limits.map((limit) => counters.take('p', key, limit))
    for (const [i, result] of results.entries()) {
      const cost = costs[i]!
      const take: ModelTake = { cost, asked: this.time.now() }
      const done = (result: CounterResult): void => {
        take.result = result
        take.answered = this.time.now()
      }
      this.takes.push(take)
      if (result instanceof Promise) void result.then(done)
      else done(result)
    }
    return this.#settle()
  }

  /** The oldest message of a worker arrives. */
  async deliverUp(worker: number): Promise<void> {
    const { up, port } = this.#at(worker)
    const message = up.shift()
    if (message === undefined) return
    this.messages++
    port.hear(JSON.parse(JSON.stringify(message)) as LeaseOrders)
    await this.#settle()
  }

  /** The oldest message to a worker arrives. */
  async deliverDown(worker: number): Promise<void> {
    const { down, counters } = this.#at(worker)
    const message = down.shift()
    if (message === undefined) return
    this.messages++
    counters.hear(JSON.parse(JSON.stringify(message)) as LeaseNews)
    await this.#settle()
  }

  /** A worker dies with all that it has, and another takes its place. The authority does not know yet. */
  kill(worker: number): void {
    const index = worker % this.#workers.length
    this.#dead.push(this.#at(worker).port)
    this.#workers[index] = this.#start()
  }

  /** The authority learns of all deaths. */
  notice(): Promise<void> {
    for (const port of this.#dead.splice(0)) port.leave()
    return this.#settle()
  }

  advance(ms: number): Promise<void> {
    this.time.advance(ms)
    return this.#settle()
  }

  /** The authority knows of all deaths, and no message is under way any more. */
  async quiet(): Promise<void> {
    await this.notice()
    await this.deliverAll()
  }

  async deliverAll(): Promise<void> {
    while (this.#workers.some(({ up, down }) => up.length + down.length > 0)) {
      for (const worker of this.#workers.keys()) {
        await this.deliverUp(worker)
        await this.deliverDown(worker)
      }
    }
  }

  /** Takes that dispatchers have decided. */
  get decided(): number {
    return this.#workers.reduce((sum, { dispatchers }) => sum + dispatchers.decided, 0)
  }

  /** Points that were allowed, in all windows. */
  get allowed(): number {
    return this.takes.reduce((sum, { cost, result }) => sum + (result?.allowed ? cost : 0), 0)
  }

  #at(worker: number): ModelWorker {
    return this.#workers[worker % this.#workers.length]!
  }

  #start(): ModelWorker {
    const { now } = this.time
    const up: LeaseOrders[] = []
    const down: LeaseNews[] = []
    const counters = new LeasedCounters({ ...this.#options, now, send: (orders) => up.push(orders) })
    const port = this.#authority.join((news) => {
      for (const [, window, left] of news.answers) {
        if (typeof window === 'number' && left! > 0) this.windows.set(window, now() + left!)
      }
      down.push(news)
    })
    return { counters, dispatchers: new DispatcherModel(counters, 2), port, up, down }
  }

  /** Both sides send at the end of a turn of the event loop. */
  async #settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  }
}
