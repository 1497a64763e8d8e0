import { ownText } from '../own-text.ts'
import { GrantError } from './grant-error.ts'
import { seconds, wholeNumber } from './numbers.ts'
import type { GrantCall, Operation } from './operation.ts'

interface Entry {
  readonly key: string
  readonly value: string
  /** Time of expiry on the clock of `performance.now`, ms. */
  readonly expires: number
}

export interface KvBounds {
  /** Entries of one plugin. Default: 10,000. */
  readonly entries?: number
  /** Characters of one plugin, keys included. Default: 4,194,304. */
  readonly size?: number
}

const longestKey = 512
const longestValue = 65_536
const longestLife = 86_400

/**
 * Host side of `Kv`: a store for each plugin, in the memory of this process. A full store removes the least recently
 * used entries.
 */
export function createKv(bounds: KvBounds = {}): Record<'get' | 'set' | 'delete' | 'increment', Operation> {
  const stores = new Map<string, Store>()
  const storeOf = ({ plugin }: GrantCall): Store => {
    // Without the hash of its code, so that a new version keeps the entries of the old one.
    const name = `${plugin.publisher} ${plugin.name}`
    let store = stores.get(name)
    if (store === undefined) {
      store = new Store(bounds)
      stores.set(name, store)
    }
    return store
  }
  return {
    get: ([key = ''], call) => {
      const entry = storeOf(call).get(checkedKey(key))
      return entry === undefined ? [] : [entry.value]
    },
    set: ([key = '', value = '', ttl], call) => {
      if (value.length > longestValue) {
        throw new GrantError(`the value has ${value.length} characters; the limit is ${longestValue}`)
      }
      storeOf(call).set(checkedKey(key), value, expiry(ttl))
      return []
    },
    delete: ([key = ''], call) => [storeOf(call).delete(checkedKey(key)) ? '1' : ''],
    increment: ([key = '', by, ttl], call) => {
      const store = storeOf(call)
      const former = store.get(checkedKey(key))
      const step = wholeNumber('by', by, Number.MIN_SAFE_INTEGER)
      const expires = expiry(ttl)
      const sum = wholeNumber('the stored value', former?.value ?? '0', Number.MIN_SAFE_INTEGER) + step
      if (!Number.isSafeInteger(sum)) throw new GrantError('the sum is beyond 2^53 - 1')
      store.set(key, String(sum), former?.expires ?? expires)
      return [String(sum)]
    },
  }
}

class Store {
  /** In the order of their last use, the oldest first. */
  readonly #entries = new Map<string, Entry>()
  readonly #most: number
  readonly #largest: number
  #size = 0

  constructor({ entries = 10_000, size = 4_194_304 }: KvBounds) {
    this.#most = entries
    this.#largest = size
  }

  get(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry.expires <= performance.now()) {
      this.delete(key)
      return undefined
    }
    this.#entries.delete(key)
    this.#entries.set(entry.key, entry)
    return entry
  }

  set(key: string, value: string, expires: number): void {
    this.delete(key)
    const entry: Entry = { key: ownText(key), value: ownText(value), expires }
    this.#entries.set(entry.key, entry)
    this.#size += key.length + value.length
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#most && this.#size <= this.#largest) return
      this.delete(oldest)
    }
  }

  /** True when the key existed and had not expired. */
  delete(key: string): boolean {
    const entry = this.#entries.get(key)
    if (entry === undefined) return false
    this.#entries.delete(key)
    this.#size -= key.length + entry.value.length
    return entry.expires > performance.now()
  }
}

function expiry(ttl: string | undefined): number {
  return performance.now() + seconds('ttl', ttl, longestLife) * 1_000
}

function checkedKey(key: string): string {
  if (key.length > longestKey) throw new GrantError(`the key has ${key.length} characters; the limit is ${longestKey}`)
  return key
}
