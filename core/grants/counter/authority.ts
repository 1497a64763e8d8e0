import { afterTicks } from '../tick-timer.ts'
import type { LeaseAnswer, LeaseAsk, LeaseNews, LeaseOrders, LeaseReturn } from './lease-messages.ts'
import { type CounterBounds, LimitTable } from './limit-table.ts'
import { PointCount, type Taken } from './point-count.ts'
import { type CountedLimit, CounterWindow } from './window.ts'

export interface CounterAuthorityOptions extends CounterBounds {
  /** The only worker runs in this process and cannot die without it, so it may lease all points. Default: false. */
  readonly sole?: boolean
  /** How long the authority waits for workers to give points back, ms. Default: 250. */
  readonly timeout?: number
  /** Milliseconds on a clock that is never set back. Default: `performance.now`. */
  readonly now?: () => number
  /** Runs `run` after `delay` ms and returns a function that cancels it. Default: `afterTicks`. */
  readonly schedule?: (delay: number, run: () => void) => () => void
}

/** One worker, as its messages reach the authority. */
export interface CounterWorker {
  hear(orders: LeaseOrders): void
  /** The worker is gone. Points that it has on lease count as used. */
  leave(): void
}

interface Worker {
  readonly send: (news: LeaseNews) => void
  /** Windows of which the worker has a lease, by the worker's `ref` for that lease. */
  readonly leases: Map<number, CounterWindow<Worker>>
  answers: LeaseAnswer[]
  recalls: number[]
  isScheduled: boolean
  isGone: boolean
}

/** Share of the free points that may be leased, divided by the number of workers. The rest is kept for later asks. */
const leasable = 1 / 4

/**
 * Counts for all workers. Points count as used as soon as they are leased. So the workers together never allow more
 * than the limit in a window, even if one of them dies. If a take needs more than the free points, but other workers
 * may hold enough, the authority asks them to give their unused points back before it decides.
 */
export class CounterAuthority {
  readonly #sole: boolean
  readonly #timeout: number
  readonly #now: () => number
  readonly #schedule: (delay: number, run: () => void) => () => void
  readonly #limits: LimitTable<CounterWindow<Worker>, CountedLimit<Worker>>
  #workers = 0
  #lastWindow = 0

  constructor(options: CounterAuthorityOptions = {}) {
    const { sole = false, timeout = 250, now = () => performance.now(), schedule = afterTicks, ...bounds } = options
    this.#sole = sole
    this.#timeout = timeout
    this.#now = now
    this.#schedule = schedule
    this.#limits = new LimitTable(
      bounds,
      (policy, points, duration) => ({
        policy,
        points,
        duration,
        windows: new Map(),
        used: 0,
        count: new PointCount(points),
      }),
      (_limit, _key, window, isFull) => this.#forget(window, isFull),
    )
  }

  /** Registers a worker; `send` sends messages to it. */
  join(send: (news: LeaseNews) => void): CounterWorker {
    const worker: Worker = { send, leases: new Map(), answers: [], recalls: [], isScheduled: false, isGone: false }
    this.#workers++
    return {
      hear: ({ returns, asks }) => {
        for (const points of returns) this.#takeBack(worker, points)
        for (const ask of asks) this.#hear(worker, ask)
      },
      leave: () => {
        if (worker.isGone) return
        worker.isGone = true
        this.#workers--
        for (const window of worker.leases.values()) window.drop(worker)
        worker.leases.clear()
      },
    }
  }

  #takeBack(worker: Worker, [ref, id, back]: LeaseReturn): void {
    const window = worker.leases.get(ref)
    const held = window?.heldBy(worker)
    if (window === undefined || held === undefined) return
    if (id === window.id) window.limit.count.giveBack(window.key, back)
    held.recall = 'none'
    held.points = held.pointsSinceRecall
    held.pointsSinceRecall = 0
    if (held.points > 0) return window.onBack?.()
    worker.leases.delete(ref)
    window.drop(worker)
  }

  #hear(worker: Worker, ask: LeaseAsk): void {
    const [ref, id, kept, back, , , policy, key, points, duration] = ask
    let window: CounterWindow<Worker>
    try {
      const limit = this.#limits.get(policy, points, duration, this.#now())
      window = limit.windows.get(key) ?? new CounterWindow(limit, key)
      this.#limits.add(limit, key, window)
    } catch (error) {
      return this.#answer(worker, [ref, textOf(error)])
    }
    const held = window.heldBy(worker)
    if (held !== undefined && id === window.id) {
      // Not in turn but immediately: an earlier ask in the queue may be waiting for these points.
      window.limit.count.giveBack(key, back)
      held.points = kept
    } else if (held !== undefined) {
      // The ask does not mention the points of this window: the worker has used all of them and forgotten the lease.
      worker.leases.delete(held.ref)
      window.drop(worker)
    }
    window.queue.push({ worker, ask })
    if (!window.isBusy) void this.#work(window)
  }

  async #work(window: CounterWindow<Worker>): Promise<void> {
    window.isBusy = true
    for (let next = window.queue.shift(); next !== undefined; next = window.queue.shift()) {
      const { worker, ask } = next
      try {
        if (!worker.isGone) await this.#decide(window, worker, ask)
      } catch (error) {
        this.#answer(worker, [ask[0], textOf(error)])
      }
    }
    window.isBusy = false
  }

  async #decide(window: CounterWindow<Worker>, worker: Worker, ask: LeaseAsk): Promise<void> {
    const [ref, id, , , wish, costs] = ask
    // An ask without takes does not begin a window.
    if (costs.length === 0 && (id !== window.id || this.#now() >= window.end))
      return this.#answer(worker, [ref, id, 0, 0, 0, 0, []])
    const refused: number[] = []
    let sum = 0
    for (const cost of costs) sum += cost
    let { allowed, free } = await this.#take(window, sum)
    if (!allowed) {
      for (const [i, cost] of costs.entries()) {
        ;({ allowed, free } = await this.#takeOrRecall(window, worker, cost))
        if (!allowed) refused.push(i)
      }
    }
    const leased = Math.min(wish, this.#sole ? free : Math.floor((free * leasable) / this.#workers))
    if (leased > 0 && !worker.isGone) {
      ;({ free } = await window.limit.count.take(window.key, leased))
      window.lease(worker, ref, leased)
      worker.leases.set(ref, window)
    }
    const ms = Math.max(0, Math.floor(window.end - this.#now()))
    const elsewhere = window.elsewhere(worker)
    this.#answer(worker, [ref, window.id, ms, leased, free, elsewhere, refused])
    // Compared with the free points, earlier leases may have become large, and their workers may not be using them.
    if (elsewhere > free) this.#callBack(window, worker)
  }

  #take(window: CounterWindow<Worker>, cost: number): Promise<Taken> {
    if (this.#now() >= window.end) this.#begin(window)
    return window.limit.count.take(window.key, cost)
  }

  async #takeOrRecall(window: CounterWindow<Worker>, worker: Worker, cost: number): Promise<Taken> {
    let taken = await this.#take(window, cost)
    // Twice: a recall that was under way already does not bring back what was leased after it. During this decision
    // nothing more is leased.
    for (let round = 0; round < 2; round++) {
      if (taken.allowed || cost > taken.free + window.elsewhere(worker)) break
      await this.#recall(window, worker)
      taken = await this.#take(window, cost)
    }
    return taken
  }

  /** Asks all other workers to give back the points that they have not used. */
  #callBack(window: CounterWindow<Worker>, except: Worker): void {
    for (const [holder, held] of window.holders()) {
      if (holder === except || held.points === 0 || held.recall !== 'none') continue
      held.recall = 'sent'
      holder.recalls.push(held.ref)
      this.#post(holder)
    }
  }

  /** Resolves when all other workers have given back their unused points, or when the timeout is over. */
  #recall(window: CounterWindow<Worker>, except: Worker): Promise<void> {
    this.#callBack(window, except)
    return new Promise((resolve) => {
      const settle = (): void => {
        for (const [, { recall }] of window.holders()) if (recall === 'sent') return
        cancel()
        window.onBack = undefined
        resolve()
      }
      // After the end of the window these points are of no use.
      const timeout = Math.min(this.#timeout, Math.max(0, window.end - this.#now()))
      const cancel = this.#schedule(timeout, () => {
        for (const [, held] of window.holders()) if (held.recall === 'sent') held.recall = 'late'
        settle()
      })
      window.onBack = settle
      settle()
    })
  }

  #begin(window: CounterWindow<Worker>): void {
    this.#release(window)
    window.id = ++this.#lastWindow
    window.end = this.#now() + window.limit.duration * 1_000
    this.#limits.begun(window.limit, window.key, window)
  }

  #forget(window: CounterWindow<Worker>, isFull: boolean): boolean {
    if (window.isBusy || (!isFull && window.end > this.#now())) return false
    this.#release(window)
    return true
  }

  #release(window: CounterWindow<Worker>): void {
    window.limit.count.forget(window.key)
    for (const [worker, { ref }] of window.holders()) worker.leases.delete(ref)
    window.dropAll()
  }

  #answer(worker: Worker, answer: LeaseAnswer): void {
    worker.answers.push(answer)
    this.#post(worker)
  }

  #post(worker: Worker): void {
    if (worker.isScheduled) return
    worker.isScheduled = true
    setImmediate(() => {
      const { answers, recalls } = worker
      worker.isScheduled = false
      worker.answers = []
      worker.recalls = []
      if (!worker.isGone) worker.send({ answers, recalls })
    })
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
