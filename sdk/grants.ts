/**
 * Host services that a plugin may be granted. It names them in `needs`; each then stands in the argument of its hooks.
 * The work happens on the host, outside the sandbox, while the hook is suspended.
 */
export interface Grants {
  counter: Counter
  digest: Digest
}

/** A name for `needs`. */
export type GrantName = keyof Grants

/** Counts against a limit, shared by every hook of the same policy; survives a reload of the configuration. */
export interface Counter {
  /**
   * Takes from the budget of `key`: a fixed window that starts with the first take.
   *
   * @param key what is being limited; a policy's keys never meet those of another policy. At most 512 characters.
   * @param limit the budget and its window.
   * @throws {GrantError} when the limit makes no sense or the store cannot be reached.
   */
  take(key: string, limit: CounterLimit): Promise<CounterResult>
}

export interface CounterLimit {
  /** Size of the budget, 1 or more. */
  readonly points: number
  /** Length of the window in seconds, more than 0. */
  readonly duration: number
  /** What this take costs. Default: 1. */
  readonly cost?: number
}

export interface CounterResult {
  /** False when the budget does not hold the cost: the caller is over the limit. */
  readonly allowed: boolean
  /** What is left of the budget, 0 or more. */
  readonly remaining: number
  /** Seconds until the window ends and the budget is whole again, rounded up, 1 or more. */
  readonly reset: number
}

/** Cryptographic digests, computed by the host. */
export interface Digest {
  /** SHA-256 of the UTF-8 text, base64url without padding. */
  sha256(text: string): Promise<string>
  /** HMAC with SHA-256, base64url without padding. Key and text are UTF-8. */
  hmac(key: string, text: string): Promise<string>
  /** True when `mac` is the HMAC-SHA-256 (base64url) of the text; compared in constant time. */
  verify(key: string, text: string, mac: string): Promise<boolean>
  /** Random bytes, base64url without padding. `bytes`: 1 to 256. */
  random(bytes: number): Promise<string>
}

/** What a grant throws when it could not do its work. */
export interface GrantError extends Error {
  readonly name: 'GrantError'
  /** The grant and the operation: `counter.take`. */
  readonly operation: string
}
