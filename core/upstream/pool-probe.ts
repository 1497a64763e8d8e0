import type { HealthConfig } from '../config/types.ts'
import type { PosternError } from '../errors.ts'
import { CONSUMED, type Consumed } from '../http/exchange.ts'
import { asValue } from '../http/field-text.ts'
import { Fields } from '../http/fields.ts'
import type { UpstreamExchange, UpstreamOwner, UpstreamPool, UpstreamRequest } from '../http/upstream-exchange.ts'
import type { Backend } from './backend.ts'
import type { Verdict } from './health.ts'
import { type Done, verdictOf } from './probe.ts'

/** A probe by a request as policies and clients send it, in the version that the backend speaks, on a connection of its own. */
export abstract class PoolProbe implements UpstreamOwner {
  protected readonly backend: Backend
  protected readonly config: HealthConfig
  protected readonly exchange: UpstreamExchange
  readonly #done: Done
  readonly #timer: NodeJS.Timeout
  readonly #pool: UpstreamPool
  #isOver = false

  /**
   * @param own fields besides those that every probe has; those of the configuration replace them
   * @param done called once, unless the probe is cancelled. Without a verdict it said nothing about the backend.
   */
  constructor(
    backend: Backend,
    config: HealthConfig,
    request: Omit<UpstreamRequest, 'fields'>,
    own: readonly string[],
    done: Done,
  ) {
    const { timeout, host, headers } = config
    this.backend = backend
    this.config = config
    this.#done = done
    this.#timer = setTimeout(() => this.end({ healthy: false, why: `no response within ${timeout} ms` }), timeout)
    this.#pool = backend.newPool()
    const fields = new Fields(['host', host ?? backend.authority, 'user-agent', 'postern-health', ...own])
    for (const [name, text] of Object.entries(headers ?? {})) fields.put(name, asValue(text))
    this.exchange = this.#pool.send({ ...request, fields, reuse: 'none' }, timeout, this)
  }

  /** Without a call of `done`. */
  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.exchange.cancel()
    this.#pool.close()
  }

  protected end(verdict: Verdict | undefined): void {
    if (this.#isOver) return
    this.cancel()
    this.#done(verdict)
  }

  abstract onHead(status: number, reason: string, fields: Fields): void

  onConnected(): void {}

  onBodyWanted(): void {}

  onData(_piece: Uint8Array): Consumed | void {
    return CONSUMED
  }

  onEnd(): void {}

  onFail(error: PosternError): void {
    this.end(verdictOf(error, this.backend))
  }
}
