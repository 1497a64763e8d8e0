import type { Counter, CounterLimit, CounterResult, Digest, Grants } from '../../../sdk/grants.ts'
import type { GuestCall } from './call.ts'
import { openFetch } from './fetch.ts'
import { JwtView } from './jwt.ts'
import { KvView } from './kv.ts'
import { LogView } from './log.ts'
import { MetricView } from './metric.ts'
import { text } from './text.ts'

/** The grants of one call, made when they are first asked for; those that the plugin does not need are not there. */
export class GrantViews {
  readonly #call: GuestCall
  readonly #views: Partial<Grants> = {}

  constructor(call: GuestCall) {
    this.#call = call
  }

  get<N extends keyof Grants>(name: N): Grants[N] | undefined {
    if (!this.#call.entry.needs.includes(name)) return undefined
    this.#views[name] ??= makers[name](this.#call)
    return this.#views[name]
  }
}

const makers: { readonly [N in keyof Grants]: (call: GuestCall) => Grants[N] } = {
  counter: (call) => new CounterView(call),
  digest: (call) => new DigestView(call),
  fetch: openFetch,
  jwt: (call) => new JwtView(call),
  kv: (call) => new KvView(call),
  log: (call) => new LogView(call),
  metric: (call) => new MetricView(call),
}

class CounterView implements Counter {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  async take(key: string, limit: CounterLimit): Promise<CounterResult> {
    const { points, duration, cost = 1 } = limit
    const values = [text('counter.take: the key', key), String(points), String(duration), String(cost)]
    const [allowed, remaining, reset] = await this.#call.grant('counter.take', values)
    return { allowed: allowed === '1', remaining: Number(remaining), reset: Number(reset) }
  }
}

class DigestView implements Digest {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  sha256(message: string): Promise<string> {
    return this.#only('digest.sha256', [text('digest.sha256: the text', message)])
  }

  hmac(key: string, message: string): Promise<string> {
    return this.#only('digest.hmac', [text('digest.hmac: the key', key), text('digest.hmac: the text', message)])
  }

  async verify(key: string, message: string, mac: string): Promise<boolean> {
    const values = [
      text('digest.verify: the key', key),
      text('digest.verify: the text', message),
      text('digest.verify: the mac', mac),
    ]
    return (await this.#only('digest.verify', values)) === '1'
  }

  random(bytes: number): Promise<string> {
    return this.#only('digest.random', [String(bytes)])
  }

  async #only(operation: string, values: readonly string[]): Promise<string> {
    const [value] = await this.#call.grant(operation, values)
    return value ?? ''
  }
}
