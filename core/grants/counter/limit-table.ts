import { GrantError } from '../grant-error.ts'

/** One limit: the keys that have a window of it, in the order in which the windows began. */
export interface Limit<Window> {
  readonly policy: string
  readonly points: number
  /** Seconds. */
  readonly duration: number
  readonly windows: Map<string, Window>
}

export interface CounterBounds {
  /** Different limits (policy, points and duration) held at once. Default: 1,000. */
  readonly limits?: number
  /** Keys held at once for one limit. Beyond, the oldest window is forgotten. Default: 100,000. */
  readonly keys?: number
}

/** The limits in use, bounded. */
export class LimitTable<Window, L extends Limit<Window>> {
  readonly #limits: number
  readonly #keys: number
  readonly #create: (policy: string, points: number, duration: number) => L
  readonly #forget: (limit: L, key: string, window: Window, isFull: boolean) => boolean
  readonly #byPolicy = new Map<string, L[]>()
  #size = 0

  /** @param forget lets go of the oldest window if it has ended, or `isFull`; `false` when it has to stay for now. */
  constructor(
    { limits = 1_000, keys = 100_000 }: CounterBounds,
    create: (policy: string, points: number, duration: number) => L,
    forget: (limit: L, key: string, window: Window, isFull: boolean) => boolean,
  ) {
    this.#limits = limits
    this.#keys = keys
    this.#create = create
    this.#forget = forget
  }

  /** @throws {GrantError} when there are too many. */
  get(policy: string, points: number, duration: number): L {
    const limits = this.#byPolicy.get(policy)
    // A policy has one as a rule.
    if (limits !== undefined) {
      for (const limit of limits) if (limit.points === points && limit.duration === duration) return limit
    }
    if (this.#size >= this.#limits) this.#clear()
    if (this.#size >= this.#limits)
      throw new GrantError(`more than ${this.#limits} different limits (points and duration); use fewer`)
    const limit = this.#create(policy, points, duration)
    this.#size++
    // Clearing may have taken away the list looked at above.
    const list = this.#byPolicy.get(policy)
    if (list === undefined) this.#byPolicy.set(policy, [limit])
    else list.push(limit)
    return limit
  }

  /** A window of the limit has begun: it is the youngest now, and the oldest may go. */
  begun(limit: L, key: string, window: Window): void {
    const { windows } = limit
    windows.delete(key)
    windows.set(key, window)
    this.#trim(limit)
  }

  #trim(limit: L): void {
    const { windows } = limit
    for (const [key, window] of windows) {
      if (!this.#forget(limit, key, window, windows.size > this.#keys)) return
      windows.delete(key)
    }
  }

  /** Limits that no window is left of go: those of former configurations. */
  #clear(): void {
    for (const [policy, limits] of this.#byPolicy) {
      for (const limit of limits) this.#trim(limit)
      const used = limits.filter(({ windows }) => windows.size > 0)
      this.#size -= limits.length - used.length
      if (used.length === 0) this.#byPolicy.delete(policy)
      else this.#byPolicy.set(policy, used)
    }
  }
}
