import { GrantError } from '../grant-error.ts'

/** One limit, with the window of each of its keys, in the order in which the windows began. */
export interface Limit<Window> {
  readonly policy: string
  readonly points: number
  /** Length of a window, seconds. */
  readonly duration: number
  readonly windows: Map<string, Window>
}

export interface CounterBounds {
  /** Most limits (policy, points and duration) at a time. Default: 1,000. */
  readonly limits?: number
  /** Most keys of one limit at a time; beyond that, the oldest window is forgotten. Default: 100,000. */
  readonly keys?: number
}

/** The limits in use, at most as many as `CounterBounds` allows. */
export class LimitTable<Window, L extends Limit<Window>> {
  readonly #limits: number
  readonly #keys: number
  readonly #create: (policy: string, points: number, duration: number) => L
  readonly #forget: (limit: L, key: string, window: Window, isFull: boolean) => boolean
  readonly #byPolicy = new Map<string, L[]>()
  #size = 0

  /**
   * @param forget releases the oldest window if it has ended or the limit has too many keys (`isFull`). Returns false
   *   when the window must stay for now.
   */
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

  /**
   * The limit, created on first use.
   *
   * @throws {GrantError} when there are too many limits.
   */
  get(policy: string, points: number, duration: number): L {
    const limits = this.#byPolicy.get(policy)
    // Most policies have one limit, so the list is short.
    if (limits !== undefined) {
      for (const limit of limits) if (limit.points === points && limit.duration === duration) return limit
    }
    if (this.#size >= this.#limits) this.#clear()
    if (this.#size >= this.#limits)
      throw new GrantError(`more than ${this.#limits} different limits (points and duration); use fewer`)
    const limit = this.#create(policy, points, duration)
    this.#size++
    // `#clear` may have removed the list that was searched above.
    const list = this.#byPolicy.get(policy)
    if (list === undefined) this.#byPolicy.set(policy, [limit])
    else list.push(limit)
    return limit
  }

  /** Adds a window that has just begun, as the youngest, and forgets the oldest ones where possible. */
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

  /** Removes limits without a window, such as those of earlier configurations. */
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
