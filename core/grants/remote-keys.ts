import { GrantError } from './grant-error.ts'
import { createKeySet, type KeyFinder } from './key-set.ts'

export interface RemoteKeysOptions {
  /** Age up to which keys are used without a renewal, ms. Default: 10 minutes. */
  readonly fresh?: number
  /** Age up to which keys are used while they cannot be renewed, ms. Default: 1 hour. */
  readonly stale?: number
  /** Age from which an unknown key makes the host load the set again, ms. Default: 30 seconds. */
  readonly cooldown?: number
  /** Time from a failed request to the next one, ms. Default: 5 seconds. */
  readonly retry?: number
  /** Milliseconds on a clock that is never set back. Default: `performance.now`. */
  readonly now?: () => number
}

/**
 * A key set on another server: loaded when it is first needed, with one request at a time, and no more often than the
 * options allow.
 */
export class RemoteKeys {
  readonly #load: () => Promise<unknown>
  readonly #options: Required<RemoteKeysOptions>
  #keys: KeyFinder | undefined
  #loadedAt = 0
  #failedAt: number | undefined
  #problem = ''
  #loading: Promise<void> | undefined

  /** @param load resolves with the parsed set, or rejects with a `GrantError`. */
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
   * Keys that are not older than `stale`. From the age of `fresh` on it renews them in the background.
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

  /**
   * For a token with an unknown key: loads the set again, unless it is younger than `cooldown`. `undefined`: no newer
   * keys.
   */
  async newer(): Promise<KeyFinder | undefined> {
    const former = this.#keys
    // A request that is already in progress serves this call too.
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
