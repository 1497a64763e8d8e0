import type { Fetch } from './fetch.ts'
import type { Jwt } from './jwt.ts'
import type { Kv } from './kv.ts'

/**
 * Host services that a plugin may be granted. It names them in `needs`; each is then a member of its hooks' argument.
 * The work happens on the host, outside the sandbox, while the hook is suspended: it costs waiting, not CPU time.
 *
 * `log` and `metric` return immediately and work in every hook. The others return a promise. A hook that may not wait
 * (`selectBackend`, `onClose`) can still call them, but never receives the result. Default limit: 64 operations per hook
 * call. When the client disconnects, pending operations are cancelled.
 */
export interface Grants {
  counter: Counter
  digest: Digest
  /** HTTP requests to the origins that the configuration lists for the plugin. */
  fetch: Fetch
  jwt: Jwt
  kv: Kv
  log: Log
  metric: Metric
}

/** A name for `needs`. */
export type GrantName = keyof Grants

/**
 * Counts against a limit, shared by every hook of the same policy and by all worker processes; survives a reload of the
 * configuration.
 */
export interface Counter {
  /**
   * Takes from the budget of `key`: a fixed window that starts with the first take. In `onClose` it takes without
   * waiting for the result: for costs that are known only after the request.
   *
   * @param key what is being limited; a policy's keys never meet those of another policy. At most 512 characters.
   * @param limit the budget and its window.
   * @throws {GrantError} when the limit is invalid or the store cannot be reached within 2 seconds.
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
  /**
   * What is left of the budget, 0 or more, as far as this worker process knows: points that others have set aside for
   * themselves are not counted.
   */
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

/**
 * Lines for the gateway's log, with the plugin, the policy and the request added. Never waits and never
 * fails: of one hook call 20 lines are kept, of a plugin 100 a second, then one line that says how many were dropped.
 * A message and its fields hold 1,024 characters each, what is beyond is cut off; control characters are escaped and
 * secrets of the configuration replaced by their references. Lines of a hook that ran out of time or memory are lost.
 */
export interface Log {
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** What goes beside the message, 20 fields at most. */
export interface LogFields {
  readonly [name: string]: string | number | boolean | null | undefined
}

/**
 * Figures for the gateway's metrics, by plugin. Nothing to wait for. A plugin may have 100 series, each combination of
 * a name and label values being one: what would be a new one beyond is dropped and counted. So never label by what a
 * client can choose (path, user, header).
 */
export interface Metric {
  /**
   * Adds to a counter.
   *
   * @param name letters, digits and underscores, a letter first, at most 64.
   * @param value 0 or more. Default: 1.
   * @param labels at most 8, their values at most 128 characters.
   * @throws {TypeError} when an argument is invalid.
   */
  count(name: string, value?: number, labels?: MetricLabels): void
  /** Adds a value to a histogram; seconds fit its buckets (5 ms to 10 s). The arguments are as for `count`. */
  observe(name: string, value: number, labels?: MetricLabels): void
}

export interface MetricLabels {
  readonly [name: string]: string
}

/** Thrown by a grant when an operation fails. */
export interface GrantError extends Error {
  readonly name: 'GrantError'
  /** The grant and the operation: `counter.take`; of `fetch` it is `fetch.send`. */
  readonly operation: string
  /**
   * `refused`: the operation ran and its result is negative, such as an invalid token. `failed`: it could not run, such as
   * when a server does not respond; not the client's fault.
   */
  readonly code: 'refused' | 'failed'
  /** Why, in a few words: `expired`. Of what was refused, it may be shown to the client. */
  readonly reason: string
}
