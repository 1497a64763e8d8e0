/**
 * A small store of text by key, for values that are useful for a while: the response of another server, a session. All
 * policies of the plugin share it; no other plugin can access it. It is a cache: each worker process has its own, and a
 * restart empties it. A plugin can have 10,000 entries and 4,194,304 characters (keys included) in each; beyond that,
 * the entries that have not been used for the longest time are removed.
 */
export interface Kv {
  /** The value of a key; `undefined` when it does not exist or has expired. */
  get(key: string): Promise<string | undefined>
  /**
   * Sets the value of a key, and its lifetime.
   *
   * @param key at most 512 characters.
   * @param value at most 65,536 characters.
   * @param ttl lifetime, seconds, more than 0 and at most 86,400.
   * @throws {GrantError} when an argument is invalid.
   */
  set(key: string, value: string, ttl: number): Promise<void>
  /** Removes a key. True when it existed and had not expired. */
  delete(key: string): Promise<boolean>
  /**
   * Adds to the whole number that a key holds, atomically. A missing key counts as 0.
   *
   * @param by a whole number, may be negative.
   * @param ttl lifetime of a new key, as for `set`. An existing key keeps its lifetime.
   * @returns the sum.
   * @throws {GrantError} when the stored value is not a whole number, the sum is beyond 2^53 - 1, or an argument is
   *   invalid.
   */
  increment(key: string, by: number, ttl: number): Promise<number>
}
