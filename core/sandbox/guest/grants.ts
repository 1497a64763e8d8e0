import type {
  Counter,
  CounterLimit,
  CounterResult,
  Digest,
  Grants,
  Log,
  LogFields,
  Metric,
  MetricLabels,
} from '../../../sdk/grants.ts'
import type { Jwt, JwtCheck, VerifiedJwt } from '../../../sdk/jwt.ts'
import type { Kv } from '../../../sdk/kv.ts'
import { metricProblem } from '../../grants/metric-problem.ts'
import { bounds } from '../bounds.ts'
import type { GuestCall } from './call.ts'
import { openFetch } from './fetch.ts'
import { GrantFailure } from './grant-failure.ts'
import { harden } from './harden.ts'
import { text } from './text.ts'

/** The grants of one call, each made on first use. */
export class GrantViews {
  readonly #call: GuestCall
  readonly #views: { [N in keyof Grants]?: Grants[N] | undefined } = {}

  constructor(call: GuestCall) {
    this.#call = call
  }

  get<N extends keyof Grants>(name: N): Grants[N] | undefined {
    this.#views[name] ??= grantOf(this.#call, name)
    return this.#views[name]
  }
}

/** A new view of a grant; `undefined` when the plugin's `needs` does not name it. */
export function grantOf<N extends keyof Grants>(call: GuestCall, name: N): Grants[N] | undefined {
  return call.entry.needs.includes(name) ? makers[name](call) : undefined
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

class JwtView implements Jwt {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  async verify(token: string, check: JwtCheck): Promise<VerifiedJwt> {
    const values = [text('jwt.verify: the token', token), JSON.stringify(check)]
    const [valid, first = '', header = ''] = await this.#call.grant('jwt.verify', values)
    if (valid !== '1') throw new GrantFailure('jwt.verify', first, 'refused')
    return Object.freeze({ claims: parsed(first), header: parsed(header) })
  }
}

function parsed(json: string): Readonly<Record<string, unknown>> {
  return harden(JSON.parse(json)) as Readonly<Record<string, unknown>>
}

class KvView implements Kv {
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

class LogView implements Log {
  readonly #call: GuestCall
  #lines = 0

  constructor(call: GuestCall) {
    this.#call = call
  }

  info(message: string, fields?: LogFields): void {
    this.#write('log.info', message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('log.warn', message, fields)
  }

  error(message: string, fields?: LogFields): void {
    this.#write('log.error', message, fields)
  }

  #write(operation: string, message: string, fields: LogFields | undefined): void {
    if (this.#lines++ >= bounds.lines.call) return
    const values = [String(message).slice(0, bounds.lines.length)]
    if (fields !== undefined) values.push(fieldsOf(fields))
    this.#call.note(operation, values)
  }
}

/** The fields as JSON, cut at the length that is kept: more would cost memory on both sides for nothing. */
function fieldsOf(fields: LogFields): string {
  const kept: Record<string, unknown> = Object.create(null)
  let left: number = bounds.lines.length
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined) continue
    const plain = typeof value === 'number' || typeof value === 'boolean' || value === null
    const field = plain ? value : String(value).slice(0, left)
    left -= name.length + String(field).length
    if (left < 0) break
    kept[name] = field
  }
  return JSON.stringify(kept)
}

class MetricView implements Metric {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  count(name: string, value = 1, labels: MetricLabels = {}): void {
    this.#write('metric.count', 'counter', name, value, labels)
  }

  observe(name: string, value: number, labels: MetricLabels = {}): void {
    this.#write('metric.observe', 'histogram', name, value, labels)
  }

  #write(operation: string, kind: 'counter' | 'histogram', name: string, value: number, labels: MetricLabels): void {
    const pairs = Object.entries(labels).map(([label, content]): [string, string] => {
      return [label, text(`${operation}: the label ${label}`, content)]
    })
    const problem = metricProblem(text(`${operation}: the name`, name), value, kind, pairs)
    if (problem !== undefined) throw new TypeError(`${operation}: ${problem}`)
    this.#call.note(operation, [name, String(value), ...pairs.flat()])
  }
}
