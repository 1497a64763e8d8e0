import type { Fetch } from './fetch.ts'
import type { Jwt } from './jwt.ts'
import type { Kv } from './kv.ts'

/**
 * Services of the host that a plugin can use. Name them in `needs`; each is then a member of the hooks' argument. The
 * work is done on the host, outside the sandbox, while the hook is suspended: it takes time, but little of the hook's CPU
 * time. Only `jwt.verify` and long responses of `fetch` count towards its limit. What the calls of one policy that are
 * under way have received takes at most 16 MB on each worker, two bytes a character; further operations fail.
 *
 * `log` and `metric` return immediately and work in every hook. All others return a promise. A hook that may not wait
 * (`selectBackend`, `onClose`, `onDisconnect`) can still call them, but never receives the result. One hook call can
 * use 64 operations by default. When the client disconnects, operations in progress are cancelled.
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
 * Counts against a limit. All hooks of a policy and all worker processes share the counts, and a reload of the
 * configuration keeps them.
 */
export interface Counter {
  /**
   * Takes points from the budget of `key`. The window is fixed and starts with the first take. A take that is refused
   * takes nothing. In `onClose` the points are taken without a result: use that for costs that are known only after the
   * request.
   *
   * @param key what is limited, for example an address; at most 512 characters. Every policy has its own keys.
   * @param limit the budget and its window. A policy can use 16 different ones at a time.
   * @throws {GrantError} when the limit is invalid, or when the counters do not respond within 2 seconds.
   */
  take(key: string, limit: CounterLimit): Promise<CounterResult>
}

export interface CounterLimit {
  /** Size of the budget: a whole number, 1 or more. */
  readonly points: number
  /** Length of the window, seconds, more than 0 and at most 2,147,483 (24 days). */
  readonly duration: number
  /** Points that this take costs: a whole number, 0 or more. Default: 1. */
  readonly cost?: number
}

export interface CounterResult {
  /** False when fewer points are left than the take costs: the limit is exceeded. */
  readonly allowed: boolean
  /**
   * Points left in the budget, 0 or more, as far as this worker process knows. Points that other workers have reserved
   * are not included.
   */
  readonly remaining: number
  /** Seconds until the window ends and the whole budget is available again, rounded up, 1 or more. */
  readonly reset: number
}

/** Cryptographic digests, computed by the host. */
export interface Digest {
  /** SHA-256 of the UTF-8 text, base64url without padding. */
  sha256(text: string): Promise<string>
  /** HMAC with SHA-256, base64url without padding. Key and text are UTF-8. */
  hmac(key: string, text: string): Promise<string>
  /** True when `mac` is the HMAC-SHA-256 of the text, base64url without padding. Compares in constant time. */
  verify(key: string, text: string, mac: string): Promise<boolean>
  /** Random bytes, base64url without padding. `bytes`: how many, 1 to 256. */
  random(bytes: number): Promise<string>
}

/**
 * Writes lines to the gateway's log, with the plugin, the policy and the request added. Never waits and never fails.
 * One hook call can write 20 lines, and one plugin 100 a second on each worker; further lines are dropped. When the
 * limit per second drops lines, one line says how many. A message is cut off after 1,024 characters, and so are its
 * fields together. Control characters are escaped, and secrets of the configuration replaced by their references. Lines
 * of a hook that ran out of time or memory are lost.
 */
export interface Log {
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** Values that are logged with the message, at most 20. */
export interface LogFields {
  readonly [name: string]: string | number | boolean | null | undefined
}

/**
 * Records values in the gateway's metrics, for each plugin. Never waits. Each combination of a name and label values is
 * one series, and a plugin can have 100 of them: values for any further series are dropped and counted. Never use a
 * label that a client can choose (path, user, header).
 */
export interface Metric {
  /**
   * Adds to a counter.
   *
   * @param name 1 to 64 letters, digits and underscores, a letter first.
   * @param value finite, 0 or more. Default: 1.
   * @param labels at most 8. Their names are like `name`, their values have at most 128 characters. Default: none.
   * @throws {TypeError} when an argument is invalid.
   */
  count(name: string, value?: number, labels?: MetricLabels): void
  /**
   * Adds a value to a histogram. Its buckets, 0.005 to 10, are made for seconds.
   *
   * @param name as for `count`; a name is used for one kind only.
   * @param value finite.
   * @param labels as for `count`.
   * @throws {TypeError} when an argument is invalid.
   */
  observe(name: string, value: number, labels?: MetricLabels): void
}

export interface MetricLabels {
  readonly [name: string]: string
}

/** Thrown by a grant when an operation fails. */
export interface GrantError extends Error {
  readonly name: 'GrantError'
  /** The grant and its operation, for example `counter.take`. For `fetch` it is `fetch.send`. */
  readonly operation: string
  /**
   * `refused`: the operation ran, and its result is negative, for example for an invalid token. `failed`: the operation
   * could not be done, for example because a server does not respond; the client is not at fault.
   */
  readonly code: 'refused' | 'failed'
  /** Why, in a few words, for example `expired`. It may be shown to the client when the code is `refused`. */
  readonly reason: string
}
