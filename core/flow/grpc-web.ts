import { PosternError } from '../errors.ts'
import type { Fields } from '../http/fields.ts'
import { grpcKind } from '../http/grpc.ts'
import { Base64Reader, encodePiece, trailerFrame } from '../http/grpc-web.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { BodySink } from './body-path.ts'
import type { Failing } from './deadline.ts'
import type { GrpcCall } from './grpc-call.ts'

/** Whether the backends of an upstream speak gRPC where a client speaks gRPC-Web: over HTTP/1.1 they can only mean gRPC-Web. */
function isTranslated({ kind }: GrpcCall, { config }: Upstream): boolean {
  return kind !== 'grpc' && (config.http === '2' || (config.http === 'auto' && config.tls !== undefined))
}

/** Makes the head of a call by gRPC-Web that of a call by gRPC, when it leaves for an upstream whose backends speak that. */
export function translateRequest(call: GrpcCall, fields: Fields, upstream: Upstream): void {
  if (!isTranslated(call, upstream)) return
  call.isTranslated = true
  const type = fields.get('content-type') ?? ''
  fields.put('content-type', type.replace(/-web(?:-text)?/i, ''))
  fields.put('te', 'trailers')
  if (call.kind === 'web-text') fields.delete('content-length')
}

/** Makes the head of the backend's response one of gRPC-Web. Returns whether its body has to be translated, too. */
export function translateResponse(call: GrpcCall | undefined, fields: Fields): boolean {
  const type = fields.get('content-type')
  if (call?.isTranslated !== true || grpcKind(type) !== 'grpc') return false
  fields.put('content-type', type!.replace(/grpc/i, `grpc-${call.kind}`))
  fields.delete('content-length')
  fields.delete('trailer')
  return true
}

/** Where the body of a request goes: decoded, if it is base64. */
export function requestSink(call: GrpcCall | undefined, to: BodySink, flow: Failing): BodySink {
  return call?.isTranslated === true && call.kind === 'web-text' ? new Decoding(to, flow) : to
}

const notBase64 = 'the body of a grpc-web-text request is not base64'

class Decoding implements BodySink {
  readonly #to: BodySink
  readonly #flow: Failing
  readonly #reader = new Base64Reader()
  #hasFailed = false

  constructor(to: BodySink, flow: Failing) {
    this.#to = to
    this.#flow = flow
  }

  write(chunk: Uint8Array): boolean {
    if (this.#hasFailed) return true
    const bytes = this.#reader.read(chunk)
    if (bytes === undefined) return this.#fail()
    return bytes.length === 0 || this.#to.write(bytes)
  }

  get isFlushed(): boolean {
    return this.#to.isFlushed
  }

  end(trailers: Fields | undefined): void {
    if (this.#hasFailed) return
    if (this.#reader.isComplete) this.#to.end(trailers)
    else this.#fail()
  }

  /** The flow must not end within a call of its own body. */
  #fail(): boolean {
    this.#hasFailed = true
    process.nextTick(() => this.#flow.fail(new PosternError('DPE', notBase64, { detail: notBase64 })))
    return true
  }
}

/** Where the body of a response of gRPC goes to a client of gRPC-Web: its trailers are its last frame. */
export class WebSink implements BodySink {
  readonly #to: BodySink
  readonly #isText: boolean

  constructor(to: BodySink, { kind }: GrpcCall) {
    this.#to = to
    this.#isText = kind === 'web-text'
  }

  write(chunk: Uint8Array): boolean {
    return this.#to.write(this.#isText ? encodePiece(chunk) : chunk)
  }

  get isFlushed(): boolean {
    return this.#to.isFlushed
  }

  end(trailers: Fields | undefined): void {
    if (trailers !== undefined) this.write(trailerFrame(trailers))
    this.#to.end(undefined)
  }
}
