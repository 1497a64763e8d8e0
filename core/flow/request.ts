import type { Socket } from 'node:net'
import type { HookName } from '../../sdk/points.ts'
import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import { ask, choose, type HookFlow, pass, tell } from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import type { BodyNeed } from '../hooks/scopes.ts'
import type { Exchange, ExchangeOwner, Freed } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { removeHopByHop } from '../http/hop-by-hop.ts'
import { countHop } from '../http/max-forwards.ts'
import type { UpstreamExchange, UpstreamOwner } from '../http/upstream-exchange.ts'
import { locate } from '../route/locate.ts'
import type { HookCall, Sandbox } from '../sandbox/plugin.ts'
import type { HttpPlan } from '../snapshot/snapshot.ts'
import type { FlowLog } from '../telemetry/log.ts'
import { Phases } from '../telemetry/phases.ts'
import type { Backend } from '../upstream/backend.ts'
import { forward } from '../upstream/forward.ts'
import { BodyChanges, ClientBody, holdBody, setBodyLength } from './body-changes.ts'
import { BodyPath } from './body-path.ts'
import { Deadline } from './deadline.ts'
import { passableTrailers, screen, setOwnFields } from './head.ts'
import { madeResponse, noSource, outcomeOfReply, replyOfRoute } from './local-reply.ts'
import { RequestState } from './request-facts.ts'
import { maySendAgain } from './send-again.ts'
import { Tunnel, upgradeOffer } from './tunnel.ts'

/**
 * The life of one request, top to bottom: arrive → route → onRequest → choose a backend → forward → response head →
 * onResponse → body, or tunnel → finish. Every step either calls the next one or `#fail`; `#finish` is the only end.
 */
export class RequestFlow extends RequestState implements HookFlow, ExchangeOwner, UpstreamOwner {
  readonly states: (string | undefined)[] = []
  readonly sandbox: Sandbox
  reached = 0
  ended = false
  pending: HookCall | undefined

  readonly #log: FlowLog
  readonly #phases = new Phases()
  readonly #changes: BodyChanges = new BodyChanges(this)
  readonly #deadline: Deadline = new Deadline(this)
  #total: NodeJS.Timeout | undefined

  readonly #tried: Backend[] = []
  #busy: Backend | undefined
  #forwarding: UpstreamExchange | undefined
  #tunnel: Tunnel | undefined
  #resent = false
  #bodyMoved = false
  readonly #clientBody: ClientBody = new ClientBody(this.exchange, this)
  /** Way of the request's body; whatever was held of it goes upstream first. */
  readonly body: BodyPath = new BodyPath(this.#clientBody)

  #passing = false
  #headSent = false
  #error: PosternError | undefined

  constructor(exchange: Exchange, plan: HttpPlan, log: FlowLog) {
    super(exchange, plan)
    this.#log = log
    this.sandbox = plan.snapshot.sandbox
    if (!exchange.hasBody) this.body.end()
    plan.snapshot.retain()
  }

  // ── arrive, route ──────────────────────────────────────────────────────────────────────────────────────────────────

  start(): void {
    const { fields } = this.exchange
    const located = screen(fields, this.plan) ?? locate(this.plan.routes, this.exchange, this.client.scheme)
    if (located instanceof PosternError) return this.#fail(located)
    const { target, route } = located
    this.target = target
    this.#phases.mark('route')
    if (route === undefined) return this.#fail(new PosternError('NR', `no route for ${target.host}${target.path}`))
    this.route = route
    this.upstream = route.upstream
    this.chain = route.base
    if (route.config.timeout !== undefined) {
      const late = new PosternError('UT', `the route allows ${route.config.timeout} ms in all`)
      this.#total = setTimeout(() => this.#fail(late), route.config.timeout)
    }
    removeHopByHop(fields)
    ask(this, 'onRequest', route.base, 0, (result, policy) => this.#askedByRoute(result, policy))
  }

  /** The connection was refused by a policy of the listener before this request arrived. */
  refuse(result: Reply | PosternError, policy: Policy | undefined): void {
    this.#answer(result, policy)
  }

  #askedByRoute(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.#answer(result, policy)
    if (this.upstream === undefined)
      return this.#answer(replyOfRoute(this.route!.config.reply!, this.client.scheme, this.target))
    const last = countHop(this.exchange.method, this.exchange.fields, this.route!.match.methods)
    if (last !== undefined) return this.#answer(last)
    this.chain = this.route!.through(this.upstream)
    ask(this, 'onRequest', this.chain, this.route!.base.length, (reply, by) => this.#asked(reply, by))
  }

  #asked(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.#answer(result, policy)
    if (this.chain!.steps.onRequest.length > 0) this.#phases.mark('policies')
    setOwnFields(this.exchange, this.plan, this.hop, this.target.authority, this.id, this.chain!)
    // Only a body that the client holds back is worth asking about; the backend's 100 then is what the client gets.
    if (!this.exchange.awaitsContinue || this.body.replacedLength !== undefined) this.exchange.fields.delete('expect')
    setBodyLength(this.exchange.fields, this.body, this.chain!.steps.onRequestBody.length > 0)
    this.#attempt()
  }

  // ── choose a backend, forward ──────────────────────────────────────────────────────────────────────────────────────

  #attempt(): void {
    const upstream = this.upstream!
    const candidates = upstream.candidates(this.#tried)
    if (candidates.length === 0) {
      return this.#fail(this.#error ?? new PosternError('UH', `upstream "${upstream.name}" has no healthy backend`))
    }
    if (this.chain!.steps.selectBackend.length === 0) return this.#forward(upstream.pick(candidates))
    this.candidates = candidates
    choose(this, this.chain!, (result) => {
      if (result instanceof PosternError) return this.#fail(result)
      // Health may have changed while the policies thought: an ejected backend is never used.
      const chosen = candidates.find((backend) => backend === result && backend.available)
      this.#forward(chosen ?? upstream.pick(candidates.filter((backend) => backend.available)))
    })
  }

  #forward(backend: Backend | undefined): void {
    const { timeouts } = this.upstream!.config
    if (backend === undefined) return this.#attempt()
    this.backend = backend
    this.#busy = backend
    backend.acquire()
    if (this.chain!.steps.selectBackend.length > 0) this.#phases.mark('queue')
    const { method, fields } = this.exchange
    const { replacedLength } = this.body
    const hasBody = replacedLength === undefined ? this.exchange.hasBody : replacedLength > 0
    const upgrade = hasBody ? undefined : upgradeOffer(this.exchange.upgrade)
    const request = { method, target: this.target.full, fields, hasBody, upgrade }
    this.#forwarding = forward(backend, request, timeouts.connect, this)
  }

  onConnected(): void {
    this.#phases.mark('connect')
    this.#error = undefined
    this.awaitNext()
  }

  onBodyWanted(): void {
    const forwarding = this.#forwarding
    if (this.#bodyMoved || forwarding === undefined) return this.body.onWritable()
    this.#bodyMoved = true
    this.body.flow(forwarding, this.#changes.of('onRequestBody', this.chain))
  }

  onBody(chunk: Uint8Array): Freed | undefined {
    const fate = this.body.take(chunk)
    this.awaitNext()
    return fate
  }

  onBodyEnd(): void {
    this.#clientBody.due = false
    this.body.end(passableTrailers(this.exchange.trailers, 'request', this.chain))
    this.awaitNext()
  }

  /** Blames whoever has to act next: the client while its body is due, else the backend. */
  awaitNext(): void {
    if (this.response !== undefined) return
    if (this.#clientBody.due) this.#deadline.set(this.idle, 'DPE', 'the client stopped sending the body', 408)
    else if (this.#forwarding === undefined) this.#deadline.clear()
    else this.#deadline.set(this.upstream!.config.timeouts.response, 'UT', 'no response head from the backend')
  }

  onFail(error: PosternError): void {
    this.#releaseBackend()
    this.#forwarding = undefined
    if (this.ended) return
    if (this.response !== undefined || this.#bodyMoved) return this.#fail(error)
    if (error.code === 'UF') {
      this.#tried.push(this.backend!)
      this.#error = error
      return this.#attempt()
    }
    if (!this.#resent && maySendAgain(error, this.exchange, this.body)) {
      this.#resent = true
      return this.#attempt()
    }
    this.#fail(error)
  }

  // ── response ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** No policy sees it. A backend that tells of its progress is given time anew, as often as the codec lets it. */
  onInterim(status: number, fields: Fields): void {
    removeHopByHop(fields)
    this.exchange.inform(status, fields)
    this.awaitNext()
  }

  onUpgrade(fields: Fields, socket: Socket): void {
    this.#forwarding = undefined
    this.#tunnel = new Tunnel(socket)
    this.onHead(101, '', fields, '1.1')
  }

  onHead(status: number, reason: string, fields: Fields, version: '1.0' | '1.1'): void {
    this.#phases.mark('head')
    this.#deadline.clear()
    removeHopByHop(fields)
    fields.list.push('via', version === '1.1' ? '1.1 postern' : '1.0 postern')
    const forwarding = this.#forwarding
    const body = new BodyPath(forwarding ?? noSource)
    if (forwarding === undefined) body.end()
    this.response = { status, reason, fields, body }
    this.#respond()
  }

  /** An answer made here: a policy's reply, the route's own, or an error. */
  #answer(result: Reply | PosternError, policy?: Policy): void {
    this.#setMade(result, policy)
    this.#respond()
  }

  #setMade(result: Reply | PosternError, policy: Policy | undefined): void {
    const failed = result instanceof PosternError
    if (failed) this.#error = result
    this.outcome = failed ? result.outcome : policy === undefined ? '' : outcomeOfReply(result, policy)
    this.response = madeResponse(result, this.id)
  }

  /** The response walks back up through every policy whose turn had come. */
  #respond(): void {
    if (this.chain === undefined || this.chain.steps.onResponse.length === 0) return this.#sendHead()
    this.#forwarding?.pause()
    this.#passing = true
    pass(this, this.chain, () => {
      this.#passing = false
      this.#phases.mark('policies')
      this.#sendHead()
    })
  }

  replaceResponse(by: Reply | PosternError, policy: Policy): void {
    this.#dropUpstream()
    this.#setMade(by, policy)
  }

  #sendHead(): void {
    const { status, reason, fields, body } = this.response!
    if (this.#tunnel !== undefined) return this.#openTunnel(this.#tunnel)
    const isChanged = this.chain !== undefined && this.chain.steps.onResponseBody.length > 0
    if (status !== 204 && status !== 304) setBodyLength(fields, body, isChanged)
    this.#headSent = true
    this.exchange.respond(status, reason, fields)
    this.#awaitBody()
    const isHead = this.exchange.method === 'HEAD'
    body.flow(
      isHead ? { write: () => true, isFlushed: true, end: () => this.exchange.end() } : this.exchange,
      isHead ? undefined : this.#changes.of('onResponseBody', this.chain),
    )
  }

  #awaitBody(): void {
    this.#deadline.set(this.idle, 'SI', 'the response stood still')
  }

  onData(chunk: Uint8Array): Freed | undefined {
    this.#awaitBody()
    return this.response?.body.take(chunk)
  }

  onWritable(): void {
    this.response?.body.onWritable()
  }

  onEnd(): void {
    const trailers = passableTrailers(this.#forwarding?.trailers, 'response', this.chain)
    this.#awaitBody()
    this.#releaseBackend()
    this.#forwarding = undefined
    this.response?.body.end(trailers)
  }

  #openTunnel(tunnel: Tunnel): void {
    this.#headSent = true
    clearTimeout(this.#total)
    tunnel.open(this.exchange, this.response!.fields, this.upstream!.config.timeouts.tunnel, (error) => {
      this.#error = error
      this.outcome = error?.outcome ?? ''
      this.exchange.end()
      // Nobody else says so when the gateway itself broke the connection.
      this.onSent()
    })
  }

  // ── bodies that policies hold or change ────────────────────────────────────────────────────────────────────────────

  hold(need: BodyNeed, done: (error: PosternError | undefined) => void): void {
    holdBody(need.hook === 'onRequest' ? this.body : this.response!.body, need, (error) => this.ended || done(error))
  }

  replaceBody(hook: HookName, bytes: Uint8Array): void {
    if (hook === 'onRequest') this.body.replace(bytes)
    else if (hook === 'onResponse') {
      // A 101 has no body that another could replace.
      if (this.#tunnel !== undefined) return
      this.response?.body.replace(bytes)
      this.#dropUpstream()
    } else this.#changes.replace(bytes)
  }

  get chunk(): BodyChanges['chunk'] {
    return this.#changes.chunk
  }

  onSent(): void {
    this.#phases.mark('body')
    this.#finish()
  }

  onGone(): void {
    if (this.ended) return
    // How a tunnel's client leaves is the tunnel's to see: here the gateway closes.
    if (this.#tunnel?.isOpen) return this.#tunnel.close()
    this.#error = new PosternError('DC', 'the client went away before the response was complete')
    this.outcome = 'DC'
    this.#finish()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Answers with an error as long as the client has no head yet; after that only a broken connection is honest. */
  #fail(error: PosternError): void {
    if (this.ended) return
    this.#dropHook()
    this.#dropUpstream()
    if (!this.#headSent && !this.#passing) return this.#answer(error)
    this.#error = error
    this.outcome = error.outcome
    this.exchange.abort()
    this.#finish()
  }

  #finish(): void {
    if (this.ended) return
    this.ended = true
    this.#deadline.clear()
    clearTimeout(this.#total)
    this.#dropHook()
    this.#dropUpstream()
    this.#log.request(this, this.exchange, this.target, this.#phases, this.#error)
    if (this.chain === undefined || this.chain.steps.onClose.length === 0) return this.plan.snapshot.release()
    tell(this, this.chain, () => this.plan.snapshot.release())
  }

  #dropHook(): void {
    if (this.pending !== undefined) this.sandbox.cancel(this.pending)
    this.pending = undefined
    this.#changes.drop()
  }

  #dropUpstream(): void {
    this.#forwarding?.cancel()
    this.#forwarding = undefined
    this.#tunnel?.close()
    this.#tunnel = undefined
    this.#releaseBackend()
  }

  #releaseBackend(): void {
    this.#busy?.release()
    this.#busy = undefined
  }

  onHook(policy: Policy, hook: HookName, duration: number, error: PosternError | undefined): void {
    this.#phases.hook(policy.name, hook, duration)
    if (error !== undefined) this.#log.policyFailed(this, policy, hook, error)
  }

  /** Nothing that goes wrong in here may end more than this request. */
  crash(error: PosternError): void {
    this.#fail(error)
  }
}
