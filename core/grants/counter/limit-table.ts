import { GrantError } from '../grant-error.ts'

/** One limit, with the window of each of its keys, in the order in which the windows began. */
export interface Limit<Window> {
  readonly policy: string
  readonly points: number
  /** Length of a window, seconds. */
  readonly duration: number
  readonly windows: Map<string, Window>
  /** When it was last asked for, ms. */
  used: number
}

export interface CounterBounds {
  /** Most limits (points and duration) of one policy at a time. Default: 16. */
  readonly limits?: number
  /** Most keys of one policy at a time; beyond that, its oldest window is forgotten. Default: 100,000. */
  readonly keys?: number
  /** Most keys of all policies; beyond that, the policy with most of them loses its oldest. Default: 400,000. */
  readonly total?: number
}

/** From this age on a limit gives way to another one of its policy, as after a change of the configuration, ms. */
const unused = 60_000
const none: readonly never[] = []

/**
 * The limits in use. What one policy keeps makes no other one lose anything: a policy loses windows and limits only when
 * it is over bounds of its own, or when all policies together are over theirs and it holds more than any other.
 */
export class LimitTable<Window, L extends Limit<Window>> {
  readonly #limits: number
  readonly #keys: number
  readonly #total: number
  readonly #create: (policy: string, points: number, duration: number) => L
  readonly #forget: (limit: L, key: string, window: Window, isFull: boolean) => boolean
  readonly #byPolicy = new Map<string, L[]>()
  /** Windows of all policies. */
  #size = 0

  /**
   * @param forget releases the window if it has ended or there are too many (`isFull`). Returns false when it must stay
   *   for now.
   */
  constructor(
    { limits = 16, keys = 100_000, total = 400_000 }: CounterBounds,
    create: (policy: string, points: number, duration: number) => L,
    forget: (limit: L, key: string, window: Window, isFull: boolean) => boolean,
  ) {
    this.#limits = limits
    this.#keys = keys
    this.#total = total
    this.#create = create
    this.#forget = forget
  }

  /**
   * The limit, created on first use.
   *
   * @throws {GrantError} when the policy uses too many limits.
   */
  get(policy: string, points: number, duration: number, now: number): L {
    const known = this.find(policy, points, duration)
    if (known !== undefined) {
      known.used = now
      return known
    }
    const own = this.#byPolicy.get(policy) ?? this.#addPolicy(policy)
    if (own.length >= this.#limits) this.#makeRoom(own, now)
    if (own.length >= this.#limits) {
      throw new GrantError(
        `the policy uses more than ${this.#limits} different limits (points and duration); use fewer`,
      )
    }
    const limit = this.#create(policy, points, duration)
    limit.used = now
    own.push(limit)
    return limit
  }

  /** The limit, if it is in use. */
  find(policy: string, points: number, duration: number): L | undefined {
    // Most policies have one limit, so the list is short.
    for (const limit of this.#byPolicy.get(policy) ?? none) {
      if (limit.points === points && limit.duration === duration) return limit
    }
    return undefined
  }

  /** Adds a window that has not begun yet, unless it is there already. */
  add(limit: L, key: string, window: Window): void {
    if (limit.windows.has(key)) return
    limit.windows.set(key, window)
    this.#size++
  }

  /** Adds a window that has just begun, as the youngest, and forgets the oldest ones where possible. */
  begun(limit: L, key: string, window: Window): void {
    const { windows } = limit
    if (!windows.delete(key)) this.#size++
    windows.set(key, window)
    this.#trim(limit)
    const own = this.#byPolicy.get(limit.policy)
    while (own !== undefined && sizeOf(own) > this.#keys) if (!this.#dropOldest(own)) break
    while (this.#size > this.#total) if (!this.#dropOldest(this.#fullest())) break
  }

  /** Forgets windows that have ended. */
  #trim(limit: L): void {
    for (const [key, window] of limit.windows) if (!this.#drop(limit, key, window, false)) return
  }

  #drop(limit: L, key: string, window: Window, isFull: boolean): boolean {
    if (!this.#forget(limit, key, window, isFull)) return false
    limit.windows.delete(key)
    this.#size--
    return true
  }

  /** Forgets the oldest window of the limit with most windows. */
  #dropOldest(own: readonly L[]): boolean {
    let fullest = own[0]
    for (const limit of own) if (limit.windows.size > fullest!.windows.size) fullest = limit
    for (const [key, window] of fullest?.windows ?? []) return this.#drop(fullest!, key, window, true)
    return false
  }

  /** The limits of the policy with most windows. */
  #fullest(): readonly L[] {
    let fullest: readonly L[] = []
    for (const own of this.#byPolicy.values()) if (sizeOf(own) > sizeOf(fullest)) fullest = own
    return fullest
  }

  /** Removes limits without a window, or else the one that has not been used for the longest time. */
  #makeRoom(own: L[], now: number): void {
    for (const limit of own) this.#trim(limit)
    const used = own.filter(({ windows }) => windows.size > 0)
    own.splice(0, own.length, ...used)
    if (own.length < this.#limits) return
    let oldest = own[0]!
    for (const limit of own) if (limit.used < oldest.used) oldest = limit
    if (now - oldest.used < unused) return
    for (const [key, window] of oldest.windows) if (!this.#drop(oldest, key, window, true)) return
    own.splice(own.indexOf(oldest), 1)
  }

  /** Reloads bring new policies, so those without a window make room. */
  #addPolicy(policy: string): L[] {
    for (const [other, own] of this.#byPolicy) {
      for (const limit of own) this.#trim(limit)
      if (sizeOf(own) === 0) this.#byPolicy.delete(other)
    }
    const own: L[] = []
    this.#byPolicy.set(policy, own)
    return own
  }
}

function sizeOf(limits: readonly Limit<unknown>[]): number {
  let size = 0
  for (const { windows } of limits) size += windows.size
  return size
}
