/**
 * A small store of text by key, for what is worth remembering for a while: the answer of another server, a session.
 * The plugin's policies share it; no other plugin sees it. It is a cache: each worker process has its own, a restart
 * empties it, and beyond 10,000 entries or 4,194,304 characters the entries that were not used for longest go.
 */
export interface Kv {
  /** `undefined` when the key does not exist or has expired. */
  get(key: string): Promise<string | undefined>
  /**
   * @param key at most 512 characters.
   * @param value at most 65,536 characters.
   * @param ttl how long it is kept, seconds, more than 0 and at most 86,400.
   */
  set(key: string, value: string, ttl: number): Promise<void>
  /** Whether there was one. */
  delete(key: string): Promise<boolean>
  /**
   * Adds to a whole number atomically; a missing key counts as 0.
   *
   * @param by whole, may be negative.
   * @param ttl as for `set`; it runs from the beginning and is not renewed.
   * @returns the sum.
   * @throws {GrantError} when what is there is not a whole number.
   */
  increment(key: string, by: number, ttl: number): Promise<number>
}
