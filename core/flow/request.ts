import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import { type AwaitedCall, ask, cancelAwaited, type HookResult, pass, tell } from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import { applyPrepared } from '../hooks/prepared.ts'
import type { BodyNeed } from '../hooks/scopes.ts'
import { CONSUMED, type Consumed, type Exchange, type ExchangeOwner, type HttpVersion } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { removeHopByHop } from '../http/hop-by-hop.ts'
import { countHop } from '../http/max-forwards.ts'
import type { Fate, UpstreamExchange, UpstreamOwner } from '../http/upstream-exchange.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { Sandbox } from '../sandbox/plugin.ts'
import type { HttpPlan } from '../snapshot/snapshot.ts'
import { Phases } from '../telemetry/phases.ts'
import type { Tap } from '../telemetry/tap.ts'
import { type AttemptFlow, Attempts } from '../upstream/attempt.ts'
import type { Backend } from '../upstream/backend.ts'
import { Bodies, type BodiesFlow } from './bodies.ts'
import { BodyPath } from './body-path.ts'
import { Deadline, type TimedFlow } from './deadline.ts'
import { findRoute } from './find-route.ts'
import { limitAll } from './grpc-call.ts'
import { cleanHead, completeHead, passableTrailers } from './head.ts'
import { replyOfRoute, replyToChallenge, respondHere } from './local-reply.ts'
import { requestTo } from './outgoing.ts'
import { FinalResponse, RequestFacts } from './request-facts.ts'
import { isBodyKept, type Repeatable, repeatsAfter, repeatsInstead } from './retry.ts'
import { mapResponse, restoreHost, shapeResponse } from './shaping.ts'
import { agreement, missedSwitch, Tunnel, upgradeOffer } from './tunnel.ts'

/**
 * The life of one request, top to bottom: arrive → route → onRequest → choose a backend → send → response head →
 * onResponse → body, or tunnel → finish. Every step either calls the next one or `fail`; `#finish` is the only end.
 */
export class RequestFlow implements AttemptFlow, BodiesFlow, ExchangeOwner, Repeatable, TimedFlow, UpstreamOwner {
  readonly facts: RequestFacts
  readonly sandbox: Sandbox
  reached = 0
  ended = false
  awaited: AwaitedCall | undefined
  readonly attempts: Attempts = new Attempts(this)
  readonly bodies: Bodies

  readonly #exchange: Exchange
  readonly #plan: HttpPlan
  readonly #tap: Tap
  readonly #phases = new Phases()
  readonly #deadline: Deadline = new Deadline(this)
  #sent: UpstreamExchange | undefined
  /** A kept-alive connection was dead: the request is sent again on a new one. */
  #isResent = false
  #tunnel: Tunnel | undefined
  /** Identifies the running pass of the response through the policies; `undefined` otherwise. */
  #walk: object | undefined
  #headSent = false
  #error: PosternError | undefined

  constructor(exchange: Exchange, plan: HttpPlan, tap: Tap) {
    this.#exchange = exchange
    this.#plan = plan
    this.#tap = tap
    this.bodies = new Bodies(exchange, this)
    this.facts = new RequestFacts(exchange, plan, this.bodies)
    this.sandbox = plan.snapshot.sandbox
    plan.snapshot.retain()
  }

  // ── arrive, route ──────────────────────────────────────────────────────────────────────────────────────────────────

  start(): void {
    const { facts } = this
    const refused = cleanHead(facts, this.#plan)
    const answer = refused === undefined ? this.#plan.snapshot.acme.answer(this.#exchange.rawTarget) : undefined
    if (answer !== undefined) return this.answer(replyToChallenge(answer))
    // Upgrade stays, so that routes can match it.
    removeHopByHop(facts.fields, upgradeOffer(this.#exchange, this.bodies))
    const route = refused ?? findRoute(facts, this.#exchange, this.#plan)
    if (route instanceof PosternError) return this.fail(route)
    this.#phases.enter('policies', route.base.steps.onRequest.length > 0)
    facts.take(route)
    const late = limitAll(facts, this.#deadline)
    if (late !== undefined) return this.fail(late)
    facts.fields.list.push('x-request-id', facts.id)
    if (route.base.steps.onRequest.length === 0) return this.#askedByRoute(undefined, undefined)
    ask(this, 'onRequest', route.base, 0, (result, policy) => this.#askedByRoute(result, policy))
  }

  #askedByRoute(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.answer(result, policy)
    const { facts } = this
    const { match, base } = facts.route!
    this.reached = base.length
    if (facts.upstream === undefined) {
      const { leaving } = this.#plan.snapshot
      return this.answer(replyOfRoute(facts, leaving))
    }
    const last = countHop(facts.method, facts.fields, match.methods)
    if (last !== undefined) return this.answer(last)
    facts.chain = facts.route!.through(facts.upstream)
    if (facts.chain.steps.onRequest.length === 0) return this.#asked(undefined, undefined)
    ask(this, 'onRequest', facts.chain, base.length, (reply, by) => this.#asked(reply, by))
  }

  #asked(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.answer(result, policy)
    this.reached = this.facts.chain!.length
    this.#phases.enter('queue', this.facts.chain!.steps.onRequest.length > 0)
    const refused = completeHead(this.#exchange, this.facts, this.bodies, this.#plan)
    if (refused !== undefined) return this.fail(refused)
    this.#attempt()
  }

  // ── choose a backend, send ─────────────────────────────────────────────────────────────────────────────────────────

  #attempt(): void {
    this.attempts.begin(this.facts.upstream!, this.facts.chain!)
  }

  onBackend(backend: Backend): void {
    const { chain, upstream } = this.facts
    this.#phases.enter('connect', chain!.steps.selectBackend.length > 0)
    const request = requestTo(backend, this, this.#isResent ? 'none' : this.bodies.reuse)
    if (request instanceof PosternError) return this.fail(request)
    const limit = this.attempts.connectLimit(upstream!.config.timeouts.connect)
    this.#sent = backend.poolFor(this.#exchange.connection).send(request, limit, this)
  }

  onConnected(): void {
    this.#phases.enter('head')
    this.attempts.connected()
    this.awaitNext()
  }

  onBodyWanted(): void {
    const isKept = this.#sent?.isRefusable || (!this.#isResent && isBodyKept(this))
    this.bodies.toBackend(this.#sent, this.facts.chain, isKept)
  }

  onBody(chunk: Uint8Array): Consumed | undefined {
    const fate = this.bodies.request.take(chunk)
    this.awaitNext()
    return fate
  }

  onBodyEnd(): void {
    this.bodies.end(passableTrailers(this.#exchange.trailers, 'request', this.facts))
    this.awaitNext()
  }

  /** Until there is a response, limits the wait for the client while its body is due, otherwise the wait for the backend. */
  awaitNext(): void {
    if (this.facts.response !== undefined) return
    if (this.bodies.due) this.#deadline.awaitBody()
    else if (this.#sent === undefined) this.#deadline.pause()
    else this.#deadline.awaitHead()
  }

  get client(): Exchange {
    return this.#exchange
  }

  get backend(): UpstreamExchange | undefined {
    return this.#sent
  }

  get hasUploaded(): boolean {
    return this.bodies.moved
  }

  get isUploading(): boolean {
    return !this.bodies.isComplete || this.#sent?.isFlushed === false
  }

  onFail(error: PosternError, fate?: Fate): void {
    this.attempts.end(error)
    this.#sent = undefined
    if (this.ended) return
    if (this.facts.response !== undefined || !repeatsAfter(error, fate, this)) return this.fail(error)
    this.#isResent ||= fate === 'stale'
    this.#again()
  }

  #again(): void {
    this.#dropUpstream()
    this.#phases.enter('queue')
    this.#attempt()
  }

  failAttempt(error: PosternError): void {
    this.#sent?.cancel()
    this.onFail(error)
  }

  // ── response ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Policies do not see interim responses. Each one restarts the backend's time limit; the codec limits their number. */
  onInterim(status: number, fields: Fields): void {
    removeHopByHop(fields)
    this.#exchange.inform(status, fields)
    this.awaitNext()
  }

  onUpgrade(fields: Fields, stream: ByteStream, version: HttpVersion): void {
    this.#sent = undefined
    this.#tunnel = new Tunnel(stream)
    const broken = agreement(this.#exchange, fields, version)
    if (broken !== undefined) return this.fail(broken)
    this.onHead(101, '', fields, version)
  }

  onHead(status: number, reason: string, fields: Fields, version: HttpVersion): void {
    this.#onResponse(status, reason, fields, version, new BodyPath(this.#sent))
  }

  onWhole(status: number, reason: string, fields: Fields, version: HttpVersion, body: string): void {
    this.attempts.end()
    this.#sent = undefined
    this.#onResponse(status, reason, fields, version, body)
  }

  #onResponse(status: number, reason: string, fields: Fields, version: HttpVersion, body: BodyPath | string): void {
    this.#deadline.pause()
    if (this.attempts.areKept && repeatsInstead(status, fields, this)) return this.#again()
    const missed = missedSwitch(this.#exchange, status)
    if (missed !== undefined) return this.fail(missed)
    // RFC 9110 §15.5.22: a 426 says to what the client should upgrade.
    removeHopByHop(fields, status === 426 ? fields.get('upgrade') : undefined)
    mapResponse(this.facts, fields)
    fields.list.push('via', this.#plan.snapshot.via.entry[version])
    this.facts.response = new FinalResponse(status, reason, fields, body)
    this.#respond()
  }

  /** Answers with a policy's reply, the route's own reply, or an error. */
  answer(result: Reply | PosternError, policy?: Policy): void {
    this.replaceResponse(result, policy)
    this.#respond()
  }

  replaceResponse(by: Reply | PosternError, policy?: Policy): void {
    // A hook that ran beside another one may settle after an error was sent.
    if (this.#headSent) return
    this.#dropUpstream()
    restoreHost(this.facts)
    if (by instanceof PosternError) this.#error = by
    respondHere(by, policy, this.facts, this.#exchange)
  }

  /** Passes the response, in reverse order, through every policy that has had its turn. */
  #respond(): void {
    const { chain } = this.facts
    if (chain === undefined || chain.steps.onResponse.length === 0) {
      applyPrepared(this.facts, 0)
      return this.#sendHead()
    }
    this.#phases.enter('policies')
    this.#sent?.pause()
    const walk = {}
    this.#walk = walk
    pass(this, chain, () => walk === this.#walk && this.#sendHead())
  }

  #sendHead(): void {
    const { response, chain } = this.facts
    this.#walk = undefined
    this.#headSent = true
    shapeResponse(this.facts)
    response!.fields.put('x-request-id', this.facts.id)
    this.#phases.enter('body')
    if (this.#error !== undefined) this.#deadline.unlimitAll()
    if (this.#tunnel === undefined) {
      if (this.#sent === undefined) this.#deadline.awaitReader()
      else this.#deadline.awaitData()
      return this.bodies.toClient(response!, chain)
    }
    this.#deadline.end()
    this.#tunnel.open(this.#exchange, response!.fields, this.facts.tunnelIdle, (error) => {
      this.#finish(error)
      this.#exchange.end()
    })
  }

  onData(chunk: Uint8Array): Consumed | undefined {
    this.#deadline.awaitData()
    const fate = this.facts.response?.body.take(chunk)
    if (fate !== CONSUMED && this.#headSent && !this.ended) this.#deadline.awaitReader()
    return fate
  }

  onWritable(): void {
    this.facts.response?.body.onWritable()
  }

  onEnd(): void {
    const trailers = this.facts.trailersOfResponse(this.#sent?.trailers)
    this.#deadline.awaitReader()
    this.attempts.end()
    this.#sent = undefined
    this.facts.response?.body.end(trailers)
  }

  onSent(): void {
    this.#finish()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  onGone(): void {
    if (this.ended) return
    // The tunnel itself notices when its client disconnects, so here the gateway is closing the connection.
    if (this.#tunnel?.isOpen) return this.#tunnel.close()
    this.#finish(new PosternError('DC', 'the client disconnected before the response was complete'))
  }

  /**
   * Answers with an error if no response head has been sent; otherwise breaks the exchange, so that the client does not take
   * the response for complete. Policies see the error, unless it replaces a response that was just passing through them:
   * their `onResponse` does not run twice.
   */
  fail(error: PosternError): void {
    if (this.ended) return
    this.#dropHook()
    if (this.#headSent) {
      this.#finish(error)
      // A client that is only slow may still read what is on its way.
      return this.#exchange.abort(error.code === 'CI')
    }
    if (this.#walk === undefined) return this.answer(error)
    this.replaceResponse(error)
    this.#sendHead()
  }

  #finish(error?: PosternError): void {
    if (this.ended) return
    this.ended = true
    if (error !== undefined) {
      this.#error = error
      this.facts.outcome = error.outcome
    }
    this.#deadline.end()
    this.#dropHook()
    this.#dropUpstream()
    this.#phases.end()
    const { bytesIn, bytesOut, version } = this.#exchange
    this.#tap.tell({
      kind: 'end',
      flow: this.facts,
      bytesIn,
      bytesOut,
      version,
      attempts: this.attempts.count,
      phases: this.#phases,
      error: this.#error,
    })
    tell(this, this.facts.chain, () => this.#plan.snapshot.release())
  }

  #dropHook(): void {
    cancelAwaited(this)
    this.bodies.drop()
  }

  #dropUpstream(): void {
    this.#sent?.cancel()
    this.#sent = undefined
    this.#tunnel?.close()
    this.#tunnel = undefined
    this.attempts.end()
  }

  // ── policies ───────────────────────────────────────────────────────────────────────────────────────────────────────

  onHook(result: HookResult): void {
    if (result.ran) this.#phases.hook(result.policy.name, result.hook, result.duration)
    this.#tap.hook(this.facts, result)
  }

  hold(need: BodyNeed, policy: Policy, done: (error: PosternError | undefined) => void): void {
    if (need.hook === 'onResponse' && this.#sent !== undefined) this.#deadline.awaitData()
    this.bodies.hold(need, policy.name, (error) => {
      this.#deadline.pause()
      done(error)
    })
  }

  leaveBackend(): boolean {
    // A 101 has no body that another could replace.
    if (this.#tunnel !== undefined || this.#headSent) return false
    this.#dropUpstream()
    return true
  }
}
