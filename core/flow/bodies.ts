import type { HookName } from '../../sdk/points.ts'
import { PosternError } from '../errors.ts'
import { type Chain, change, type HookFlow, willChange } from '../hooks/chain.ts'
import type { BodyNeed } from '../hooks/scopes.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { idempotent } from '../http/methods.ts'
import type { Reuse } from '../http/upstream-exchange.ts'
import { type BodyChange, BodyPath, type BodySink, type BodySource, type Held, maxKept } from './body-path.ts'
import type { Failing } from './deadline.ts'
import { requestSink, translateResponse, WebSink } from './grpc-web.ts'
import type { FinalResponse, RequestFacts } from './request-facts.ts'

/** What the bodies need of their flow. */
export interface BodiesFlow extends HookFlow, Failing {
  readonly facts: RequestFacts
  /** The flow is now waiting for the client to send more of the request's body. */
  awaitNext(): void
  /** The response's body is being replaced: ends the exchange with the backend. False for a 101, which has no body. */
  leaveBackend(): boolean
}

type BodyHook = 'onRequestBody' | 'onResponseBody'

/**
 * The bodies of a request and of its response as they pass the policies: held until a policy has seen them, changed chunk by
 * chunk, or replaced. Both may move at the same time; their chunks take turns, since only one hook of a flow runs at a time.
 */
export class Bodies implements BodySource {
  /** Whether more of the request's body is wanted from the client and has not arrived. */
  due = false
  /** Whether the whole body of the request has arrived. */
  hasArrived: boolean
  /** Whether a part of the request's body may have gone to a backend. */
  moved = false
  /** The chunk that the policies are asked about. */
  chunk: { readonly bytes: Uint8Array; readonly last: boolean } | undefined
  readonly #exchange: Exchange
  readonly #flow: BodiesFlow
  /** Path of the request's body, made when it is asked for: most requests have none. */
  #request: BodyPath | undefined
  #receiving = false
  #queue: (() => void)[] | undefined
  #busy = false
  /** Increased by each `drop`: results of holds and hooks that began before are ignored. */
  #generation = 0

  constructor(exchange: Exchange, flow: BodiesFlow) {
    this.#exchange = exchange
    this.#flow = flow
    this.hasArrived = !exchange.hasBody
  }

  /** Path of the request's body. */
  get request(): BodyPath {
    this.#request ??= new BodyPath(this.#exchange.hasBody ? this : undefined)
    return this.#request
  }

  /** Length of the body that has replaced that of the request. */
  get replacedLength(): number | undefined {
    return this.#request?.replacedLength
  }

  /** Whether a body goes upstream. */
  get goesUpstream(): boolean {
    return this.replacedLength === undefined ? this.#exchange.hasBody : this.replacedLength > 0
  }

  /** Whether all that goes upstream is here. */
  get isComplete(): boolean {
    return this.#request?.isComplete ?? !this.#exchange.hasBody
  }

  /** Whether what goes upstream can be sent a second time: nothing, or a short body. */
  get isRepeatable(): boolean {
    if (this.#request?.isShort ?? !this.#exchange.hasBody) return true
    const length = this.#exchange.fields.get('content-length')
    return length !== undefined && Number(length) <= maxKept
  }

  /** RFC 9110 §9.2.2: whether it makes no difference if the backend gets the request twice, and it can be sent twice. */
  get isRequestRepeatable(): boolean {
    return idempotent.has(this.#exchange.method) && this.isRepeatable
  }

  /**
   * Which connection may carry the request when it is sent first. One that cannot be sent again would fail if a kept-alive
   * connection turned out to be dead. The client's first request gets one that is unlikely to be: its sender does not expect
   * such a failure.
   */
  get reuse(): Reuse {
    return this.#exchange.isFirst && !this.isRequestRepeatable ? 'proven' : 'any'
  }

  /**
   * The backend can take the request's body, or more of it.
   *
   * @param keeps whether the body is kept, so that it can be sent a second time
   */
  toBackend(backend: BodySink | undefined, chain: Chain | undefined, keeps: boolean): void {
    if (this.moved || backend === undefined) return this.request.onWritable()
    this.moved = true
    this.request.flow(
      requestSink(this.#flow.facts.grpc, backend, this.#flow),
      this.#changesOf('onRequestBody', chain),
      keeps,
    )
  }

  /** Makes the next `toBackend` send the body from its beginning. False when that is not possible. */
  rewind(): boolean {
    if (this.moved && !this.request.rewind()) return false
    this.moved = false
    return true
  }

  /** The whole body of the request has arrived. */
  end(trailers: Fields | undefined): void {
    this.due = false
    this.hasArrived = true
    this.request.end(trailers)
  }

  // ── the client as the source of the request's body ─────────────────────────────────────────────────────────────────

  pause(): void {
    this.due = false
    this.#exchange.pause()
  }

  resume(): void {
    const isFirst = !this.#receiving
    this.#receiving = true
    this.due = true
    if (isFirst) this.#exchange.receive()
    else this.#exchange.resume()
    this.#flow.awaitNext()
  }

  // ── the response, and what policies do ─────────────────────────────────────────────────────────────────────────────

  /** Writes the head of the response, and lets its body follow. */
  toClient(response: FinalResponse, chain: Chain | undefined): void {
    const { status, reason, fields, text } = response
    const exchange = this.#exchange
    const mayChange = this.#mayChange('onResponseBody', chain)
    const { grpc } = this.#flow.facts
    const isTranslated = translateResponse(grpc, fields)
    if (text !== undefined && !mayChange && !isTranslated) return exchange.respondWhole(status, reason, fields, text)
    const { body } = response
    const changes = exchange.method === 'HEAD' ? undefined : this.#changesOf('onResponseBody', chain)
    if (status !== 204 && status !== 304) setBodyLength(fields, body.replacedLength, mayChange || isTranslated)
    exchange.respond(status, reason, fields)
    const nowhere = { write: () => true, isFlushed: true, end: () => exchange.end() }
    const client = isTranslated ? new WebSink(exchange, grpc!) : exchange
    body.flow(exchange.method === 'HEAD' ? nowhere : client, changes)
  }

  /** Holds a body until as much of it has arrived as a policy asked for. */
  hold(need: BodyNeed, policy: string, done: (error: PosternError | undefined) => void): void {
    const isRequest = need.hook === 'onRequest'
    const body = isRequest ? this.request : this.#flow.facts.response!.body
    const generation = this.#generation
    const settle = (held: Held): void => {
      if (generation !== this.#generation || this.#flow.ended) return
      if (held !== 'too large' || need.optional) return done(undefined)
      const what = `the body of the ${isRequest ? 'request' : 'response'} is larger than the ${need.bytes} bytes that policy "${policy}" accepts`
      done(new PosternError('BL', what, { status: isRequest ? 413 : 502 }))
    }
    // Nothing of a body is held that says it is too large.
    if (need.whole && this.#announced(isRequest, body) > need.bytes) settle('too large')
    else body.hold(need.bytes, need.whole, settle)
  }

  /** The length that a body is going to have, as far as its head says it; else 0. */
  #announced(isRequest: boolean, body: BodyPath): number {
    const { response } = this.#flow.facts
    const fields = isRequest ? this.#exchange.fields : response!.fields
    const isEmpty = !isRequest && (this.#exchange.method === 'HEAD' || response!.status === 304)
    return isEmpty || body.replacedLength !== undefined ? 0 : Number(fields.get('content-length') ?? 0)
  }

  /** A policy replaces the body, or the chunk, that it was given. */
  replace(hook: HookName, bytes: Uint8Array): void {
    if (hook === 'onRequest') this.request.replace(bytes)
    else if (hook === 'onResponse') {
      if (this.#flow.leaveBackend()) this.#flow.facts.response?.body.replace(bytes)
    } else if (this.chunk !== undefined) this.chunk = { bytes, last: this.chunk.last }
  }

  /** The hook that was running will not answer: forgets the chunks and holds that wait for it. */
  drop(): void {
    this.#generation++
    this.#busy = false
    this.#queue = undefined
  }

  /** Runs the policies of this chain on each chunk; `undefined` when none of them has the hook. */
  #changesOf(hook: BodyHook, chain: Chain | undefined): BodyChange | undefined {
    if (chain === undefined || !this.#mayChange(hook, chain)) return undefined
    return (bytes, last, done) => {
      const run = (): void => {
        this.#busy = true
        this.chunk = { bytes, last }
        const generation = this.#generation
        change(this.#flow, hook, chain, (error) => {
          if (generation !== this.#generation) return
          const changed = this.chunk?.bytes ?? bytes
          this.#busy = false
          if (error !== undefined) this.#flow.fail(error)
          else done(changed)
          if (!this.#busy) this.#queue?.shift()?.()
        })
      }
      if (!this.#busy) return run()
      this.#queue ??= []
      this.#queue.push(run)
    }
  }

  #mayChange(hook: BodyHook, chain: Chain | undefined): boolean {
    return chain !== undefined && chain.steps[hook].length > 0 && willChange(this.#flow, hook, chain)
  }
}

/**
 * The length of a body that replaced another one is known, and it has no trailers; the length of one that may change on its
 * way is not known.
 */
export function setBodyLength(fields: Fields, replacedLength: number | undefined, mayChange: boolean): void {
  if (replacedLength !== undefined) fields.delete('trailer')
  if (mayChange) fields.delete('content-length')
  else if (replacedLength !== undefined) fields.set('content-length', `${replacedLength}`)
}
