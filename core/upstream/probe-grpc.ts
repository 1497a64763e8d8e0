import type { HealthConfig } from '../config/types.ts'
import type { Fields } from '../http/fields.ts'
import { readStatus } from '../http/grpc.ts'
import type { Backend } from './backend.ts'
import { decodeServing, encodeCheck } from './grpc-health.ts'
import type { Verdict } from './health.ts'
import { PoolProbe } from './pool-probe.ts'
import { type Done, longestBody } from './probe.ts'

const check = { method: 'POST', target: '/grpc.health.v1.Health/Check', hasBody: true } as const
const ownFields = ['content-type', 'application/grpc', 'te', 'trailers']

/** Probes a backend by the health protocol of gRPC (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). */
export function probeGrpc(backend: Backend, config: HealthConfig, done: Done): { cancel(): void } {
  return new GrpcProbe(backend, config, done)
}

class GrpcProbe extends PoolProbe {
  #head: Fields | undefined
  readonly #pieces: Uint8Array[] = []
  #length = 0

  constructor(backend: Backend, config: HealthConfig, done: Done) {
    super(backend, config, check, ownFields, done)
  }

  override onBodyWanted(): void {
    this.exchange.write(encodeCheck(this.config.grpc?.service ?? ''))
    this.exchange.end()
  }

  onHead(code: number, _reason: string, fields: Fields): void {
    this.#head = fields
    if (code !== 200) this.end({ healthy: false, why: `the gRPC health check answered ${code}` })
  }

  override onData(piece: Uint8Array): void {
    this.#length += piece.length
    if (this.#length > longestBody) this.end({ healthy: false, why: 'the answer is too large' })
    else this.#pieces.push(Buffer.from(piece))
  }

  override onEnd(): void {
    this.end(this.#judge())
  }

  #judge(): Verdict {
    const status = readStatus(this.exchange.trailers) ?? readStatus(this.#head)
    if (status !== 0)
      return { healthy: false, why: `the gRPC health check ended with grpc-status ${status ?? 'missing'}` }
    const serving = decodeServing(Buffer.concat(this.#pieces))
    return { healthy: serving === 'SERVING', why: `the gRPC health check answered ${serving}` }
  }
}
