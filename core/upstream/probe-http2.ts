import type { HealthConfig } from '../config/types.ts'
import type { PosternError } from '../errors.ts'
import type { Backend } from './backend.ts'
import { PoolProbe } from './pool-probe.ts'
import { type Done, verdictOf } from './probe.ts'

/** Sends an HTTP request to a backend that speaks HTTP/2, or may. */
export function probeHttp2(backend: Backend, config: HealthConfig, done: Done): { cancel(): void } {
  return new Http2Probe(backend, config, done)
}

class Http2Probe extends PoolProbe {
  readonly #asked: string

  constructor(backend: Backend, config: HealthConfig, done: Done) {
    const { method = 'GET', path = '/' } = config
    super(backend, config, { method, target: path, hasBody: false }, ['accept', '*/*'], done)
    this.#asked = `${method} ${path}`
  }

  onHead(code: number): void {
    const { status } = this.config
    const healthy = status === undefined ? code >= 200 && code < 400 : code === status
    this.end({ healthy, why: `${this.#asked} answered ${code}` })
  }

  override onFail(error: PosternError): void {
    const verdict = verdictOf(error, this.backend)
    this.end(verdict && { ...verdict, why: `${this.#asked} failed: ${verdict.why}` })
  }
}
