import { GrantError } from './grant-error.ts'
import { createKeySet, type KeyFinder } from './key-set.ts'

export interface RemoteKeysOptions {
  /** How long keys are used without asking again, ms. Default: 10 minutes. */
  readonly fresh?: number
  /** How long they are used while they cannot be renewed, ms. Default: 1 hour. */
  readonly stale?: number
  /** Least time between two requests because of an unknown key, ms. Default: 30 seconds. */
  readonly cooldown?: number
  /** Least time between two requests after one that failed, ms. Default: 5 seconds. */
  readonly retry?: number
  /** Milliseconds on a clock that is never set back. Default: `performance.now`. */
  readonly now?: () => number
}

/** A key set on another server: loaded when it is first needed, one request at a time, no more often than the options allow. */
export class RemoteKeys {
  readonly #load: () => Promise<unknown>
  readonly #options: Required<RemoteKeysOptions>
  #keys: KeyFinder | undefined
  #loadedAt = 0
  #failedAt: number | undefined
  #problem = ''
  #loading: Promise<void> | undefined

  /** @param load gives the parsed set, or rejects with a `GrantError`. */
  constructor(load: () => Promise<unknown>, options: RemoteKeysOptions = {}) {
    this.#load = load
    this.#options = {
      fresh: 600_000,
      stale: 3_600_000,
      cooldown: 30_000,
      retry: 5_000,
      now: () => performance.now(),
      ...options,
    }
  }

  /**
   * The keys, as old as they may be.
   *
   * @throws {GrantError} when they cannot be loaded.
   */
  async current(): Promise<KeyFinder> {
    const { fresh, stale } = this.#options
    if (this.#age >= stale) {
      this.#keys = undefined
      await this.#refresh()
    } else if (this.#age >= fresh) void this.#refresh()
    if (this.#keys === undefined) throw new GrantError(this.#problem)
    return this.#keys
  }

  /** After a token with an unknown key: newer keys, if it is time to ask; `undefined` when there are none. */
  async newer(): Promise<KeyFinder | undefined> {
    const former = this.#keys
    // A request that is already under way serves this call too.
    if (this.#loading === undefined && this.#age < this.#options.cooldown) return undefined
    await this.#refresh()
    return this.#keys === former ? undefined : this.#keys
  }

  get #age(): number {
    return this.#keys === undefined ? Number.POSITIVE_INFINITY : this.#options.now() - this.#loadedAt
  }

  #refresh(): Promise<void> {
    const { now, retry } = this.#options
    if (this.#loading !== undefined) return this.#loading
    if (this.#failedAt !== undefined && now() - this.#failedAt < retry) return Promise.resolve()
    this.#loading = this.#load()
      .then((set) => {
        this.#keys = createKeySet(set)
        this.#loadedAt = now()
        this.#failedAt = undefined
      })
      .catch((error: unknown) => {
        this.#failedAt = now()
        this.#problem = error instanceof GrantError ? error.message : 'the keys cannot be used'
      })
      .finally(() => {
        this.#loading = undefined
      })
    return this.#loading
  }
}
