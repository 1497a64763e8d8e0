import type { HealthConfig } from '../config/types.ts'
import type { PosternError } from '../errors.ts'
import { asValue } from '../http/field-text.ts'
import { Fields } from '../http/fields.ts'
import { readStatus } from '../http/grpc.ts'
import type { UpstreamExchange, UpstreamOwner, UpstreamPool } from '../http/upstream-exchange.ts'
import type { Backend } from './backend.ts'
import { decodeServing, encodeCheck } from './grpc-health.ts'
import type { Verdict } from './health.ts'
import { type Done, longestBody, verdictOf } from './probe.ts'

/**
 * Probes a backend by the health protocol of gRPC (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), on a connection
 * of its own.
 */
export function probeGrpc(backend: Backend, config: HealthConfig, done: Done): { cancel(): void } {
  return new GrpcProbe(backend, config, done)
}

class GrpcProbe implements UpstreamOwner {
  readonly #config: HealthConfig
  readonly #backend: Backend
  readonly #done: Done
  readonly #timer: NodeJS.Timeout
  readonly #pool: UpstreamPool
  readonly #exchange: UpstreamExchange
  #isOver = false
  #head: Fields | undefined
  readonly #pieces: Uint8Array[] = []
  #length = 0

  constructor(backend: Backend, config: HealthConfig, done: Done) {
    const { timeout, host } = config
    this.#config = config
    this.#backend = backend
    this.#done = done
    this.#timer = setTimeout(() => this.#end({ healthy: false, why: `no response within ${timeout} ms` }), timeout)
    this.#pool = backend.newPool()
    const fields = new Fields(['host', host ?? backend.authority, 'user-agent', 'postern-health'])
    fields.list.push('content-type', 'application/grpc', 'te', 'trailers')
    for (const [name, text] of Object.entries(config.headers ?? {})) fields.put(name, asValue(text))
    const request = { method: 'POST', target: '/grpc.health.v1.Health/Check', fields, hasBody: true } as const
    this.#exchange = this.#pool.send(request, timeout, this)
  }

  /** Without a call of `done`. */
  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#exchange.cancel()
    this.#pool.close()
  }

  #end(verdict: Verdict | undefined): void {
    if (this.#isOver) return
    this.cancel()
    this.#done(verdict)
  }

  onConnected(): void {}

  onBodyWanted(): void {
    this.#exchange.write(encodeCheck(this.#config.grpc?.service ?? ''))
    this.#exchange.end()
  }

  onHead(code: number, _reason: string, fields: Fields): void {
    this.#head = fields
    if (code !== 200) this.#end({ healthy: false, why: `the gRPC health check answered ${code}` })
  }

  onData(piece: Uint8Array): void {
    this.#length += piece.length
    if (this.#length > longestBody) this.#end({ healthy: false, why: 'the answer is too large' })
    else this.#pieces.push(Buffer.from(piece))
  }

  onEnd(): void {
    this.#end(this.#judge())
  }

  #judge(): Verdict {
    const status = readStatus(this.#exchange.trailers) ?? readStatus(this.#head)
    if (status !== 0)
      return { healthy: false, why: `the gRPC health check ended with grpc-status ${status ?? 'missing'}` }
    const serving = decodeServing(Buffer.concat(this.#pieces))
    return { healthy: serving === 'SERVING', why: `the gRPC health check answered ${serving}` }
  }

  onFail(error: PosternError): void {
    this.#end(verdictOf(error, this.#backend))
  }
}
