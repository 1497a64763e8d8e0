// The global of the same name is a getter, and this runs on the path of requests.
import { performance } from 'node:perf_hooks'
import { PosternError } from '../errors.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { type GrpcKind, grpcKind, parseTimeout, readStatus, timeoutText } from '../http/grpc.ts'
import type { Deadline } from './deadline.ts'
import type { RequestFacts } from './request-facts.ts'

/** What is particular to a request that is a gRPC call. */
export class GrpcCall {
  readonly kind: GrpcKind
  /** The client speaks gRPC-Web, and its backend gRPC. */
  isTranslated = false
  /** Status that the trailers of the response said. */
  status: number | undefined
  /** When the call has to be over, by the clock of `performance`; `undefined`: its client has set no limit. */
  #until: number | undefined
  /** The `grpc-timeout` that the request has now, unless a policy has changed it. */
  #timeout: string | undefined

  constructor(kind: GrpcKind) {
    this.kind = kind
  }

  /**
   * Reads `grpc-timeout`.
   *
   * @param most of the route, ms
   * @returns what is the limit for the whole call, ms
   */
  limit(fields: Fields, most: number | undefined): number | undefined | PosternError {
    const text = fields.get('grpc-timeout')
    if (text === undefined) return most
    const own = parseTimeout(text)
    if (own === undefined) {
      const what = 'grpc-timeout is not 1 to 8 digits followed by H, M, S, m, u or n'
      return new PosternError('DPE', what, { detail: what })
    }
    const ms = most === undefined ? own : Math.min(own, most)
    this.#timeout = text
    this.#until = performance.now() + ms
    return ms
  }

  /** Reduces the `grpc-timeout` that the backend gets to what is left. One that a policy has set or removed stays so. */
  passOn(fields: Fields): void {
    if (this.#until === undefined || fields.get('grpc-timeout') !== this.#timeout) return
    this.#timeout = timeoutText(this.#until - performance.now())
    fields.put('grpc-timeout', this.#timeout)
  }
}

/** The gRPC call that a request is; its method is always POST. */
export function grpcCallOf({ method, fields }: Exchange): GrpcCall | undefined {
  if (method !== 'POST') return undefined
  const kind = grpcKind(fields.get('content-type'))
  return kind === undefined ? undefined : new GrpcCall(kind)
}

/** Limits the time of the whole request by its route and, for a gRPC call, by its client. @returns why it is refused */
export function limitAll(facts: RequestFacts, deadline: Deadline): PosternError | undefined {
  const { grpc } = facts
  const { timeout } = facts.route!.config
  if (grpc === undefined) {
    if (timeout !== undefined) deadline.limitAll(timeout)
    return undefined
  }
  const ms = grpc.limit(facts.fields, timeout)
  if (ms instanceof PosternError) return ms
  if (ms !== undefined) deadline.limitAll(ms, ms === timeout ? undefined : 'its grpc-timeout allows')
  return undefined
}

/** The status of a call as far as it is known: the trailers come after the head. */
export function statusOfCall({ grpc, response }: RequestFacts): number | undefined {
  return grpc === undefined ? undefined : (grpc.status ?? readStatus(response?.fields))
}

/** Whether a client of gRPC has to be told in its own terms what the gateway answers. Over HTTP/1.1 there is only gRPC-Web. */
export function speaksGrpc(grpc: GrpcCall | undefined, { version }: Exchange): boolean {
  return grpc !== undefined && (grpc.kind !== 'grpc' || version === '2')
}
