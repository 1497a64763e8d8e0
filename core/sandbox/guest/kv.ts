import type { Kv } from '../../../sdk/kv.ts'
import type { GuestCall } from './call.ts'
import { text } from './text.ts'

export class KvView implements Kv {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  async get(key: string): Promise<string | undefined> {
    const [value] = await this.#call.grant('kv.get', [text('kv.get: the key', key)])
    return value
  }

  async set(key: string, value: string, ttl: number): Promise<void> {
    const values = [text('kv.set: the key', key), text('kv.set: the value', value), String(ttl)]
    await this.#call.grant('kv.set', values)
  }

  async delete(key: string): Promise<boolean> {
    const [found] = await this.#call.grant('kv.delete', [text('kv.delete: the key', key)])
    return found === '1'
  }

  async increment(key: string, by: number, ttl: number): Promise<number> {
    const values = [text('kv.increment: the key', key), String(by), String(ttl)]
    const [sum] = await this.#call.grant('kv.increment', values)
    return Number(sum)
  }
}
