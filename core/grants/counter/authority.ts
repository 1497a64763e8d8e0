import type { LeaseAnswer, LeaseAsk, LeaseNews, LeaseOrders, LeaseReturn } from './lease-messages.ts'
import { type CounterBounds, LimitTable } from './limit-table.ts'
import { PointCount, type Taken } from './point-count.ts'
import { type CountedLimit, CounterWindow } from './window.ts'

export interface CounterAuthorityOptions extends CounterBounds {
  /** There is one worker and it cannot die alone: it may lease all points. Default: false. */
  readonly sole?: boolean
  /** How long the authority waits for a worker to give points back, ms. Default: 250. */
  readonly timeout?: number
  /** Milliseconds, of a clock that is never set. Default: `performance.now`. */
  readonly now?: () => number
  /** Default: `setTimeout`. */
  readonly schedule?: (delay: number, run: () => void) => () => void
}

/** The authority's end of one worker. */
export interface CounterWorker {
  hear(orders: LeaseOrders): void
  /** It is gone. What it has on lease counts as used. */
  leave(): void
}

interface Worker {
  readonly send: (news: LeaseNews) => void
  /** Its leases, by its names for them. */
  readonly leases: Map<number, CounterWindow<Worker>>
  answers: LeaseAnswer[]
  recalls: number[]
  isScheduled: boolean
  isGone: boolean
}

/** All that may be on lease, as a part of what is free: the rest is for later asks. */
const leasable = 1 / 4

/**
 * Counts for all workers. Points are used up when they are leased, so whatever becomes of a worker, what all of them allow in
 * a window never passes the limit. Before a take is refused for which others may hold enough, they are asked to give back
 * what they have not used.
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
    const { sole = false, timeout = 250, now = () => performance.now(), schedule = wait, ...bounds } = options
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
        count: new PointCount(points),
      }),
      (_limit, _key, window, isFull) => this.#forget(window, isFull),
    )
  }

  /** A worker that has begun to count. */
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
    held.out = held.since
    held.since = 0
    if (held.out > 0) return window.onBack?.()
    worker.leases.delete(ref)
    window.drop(worker)
  }

  #hear(worker: Worker, ask: LeaseAsk): void {
    const [ref, id, kept, back, , , policy, key, points, duration] = ask
    let window: CounterWindow<Worker>
    try {
      const limit = this.#limits.get(policy, points, duration)
      window = limit.windows.get(key) ?? new CounterWindow(limit, key)
      limit.windows.set(key, window)
    } catch (error) {
      return this.#answer(worker, [ref, textOf(error)])
    }
    const held = window.heldBy(worker)
    if (held !== undefined && id === window.id) {
      // Immediately, before its turn: an earlier ask may wait for just these points.
      window.limit.count.giveBack(key, back)
      held.out = kept
    } else if (held !== undefined) {
      // It had used them up and forgotten them.
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
    // An ask without takes begins no window.
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
    const left = Math.max(0, Math.floor(window.end - this.#now()))
    const elsewhere = window.elsewhere(worker)
    this.#answer(worker, [ref, window.id, left, leased, free, elsewhere, refused])
    // Leases that were small when they were given may no longer be small, and their workers may have forgotten them.
    if (elsewhere > free) this.#callBack(window, worker)
  }

  #take(window: CounterWindow<Worker>, cost: number): Promise<Taken> {
    if (this.#now() >= window.end) this.#begin(window)
    return window.limit.count.take(window.key, cost)
  }

  async #takeOrRecall(window: CounterWindow<Worker>, worker: Worker, cost: number): Promise<Taken> {
    const taken = await this.#take(window, cost)
    if (taken.allowed || cost > taken.free + window.elsewhere(worker)) return taken
    await this.#recall(window, worker)
    return this.#take(window, cost)
  }

  /** Asks all others to give back what they have not used. */
  #callBack(window: CounterWindow<Worker>, except: Worker): void {
    for (const [holder, held] of window.holders()) {
      if (holder === except || held.out === 0 || held.recall !== 'none') continue
      held.recall = 'sent'
      holder.recalls.push(held.ref)
      this.#post(holder)
    }
  }

  /** Resolves when all others have given back what they have not used, or when it has taken too long. */
  #recall(window: CounterWindow<Worker>, except: Worker): Promise<void> {
    this.#callBack(window, except)
    return new Promise((resolve) => {
      const settle = (): void => {
        for (const [, { recall }] of window.holders()) if (recall === 'sent') return
        cancel()
        window.onBack = undefined
        resolve()
      }
      // After the end of the window they are worth nothing.
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

function wait(delay: number, run: () => void): () => void {
  const timer = setTimeout(run, delay).unref()
  return () => clearTimeout(timer)
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
