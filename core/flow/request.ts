import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import { ask, choose, type HookFlow, pass, tell } from '../hooks/chain.ts'
import type { BodyNeed } from '../hooks/fields.ts'
import type { HookName } from '../hooks/points.ts'
import type { Policy } from '../hooks/policy.ts'
import { Fields } from '../http1/fields.ts'
import { removeHopByHop } from '../http1/hop-by-hop.ts'
import type { Exchange, ExchangeOwner } from '../listen/exchange.ts'
import { addForwarding } from '../listen/forwarding.ts'
import type { FlowLog } from '../log.ts'
import { parseTarget } from '../route/target.ts'
import type { HookCall, Sandbox } from '../sandbox/plugin.ts'
import type { HttpPlan } from '../snapshot.ts'
import type { Backend } from '../upstream/backend.ts'
import { type Forwarding, type ForwardOwner, forward } from '../upstream/forward.ts'
import { BodyChanges, holdBody, setBodyLength } from './body-changes.ts'
import { BodyPath } from './body-path.ts'
import { Deadline } from './deadline.ts'
import { outcomeOfReply, problemOf } from './outcome.ts'
import { Phases } from './phases.ts'
import { replyOfRoute } from './reply-of-route.ts'
import { RequestState } from './request-state.ts'

/** Methods that may be sent again when a kept-alive connection turns out to be dead (RFC 9110 §9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** A body that was made here has no source. */
const made = { pause: (): void => {}, resume: (): void => {} }

/**
 * The life of one request, top to bottom: arrive → route → onRequest → choose a backend → forward → response head →
 * onResponse → body → finish. Every step either calls the next one or `#fail`; `#finish` is the only end.
 */
export class RequestFlow extends RequestState implements HookFlow, ExchangeOwner, ForwardOwner {
  readonly states: (string | undefined)[] = []
  readonly sandbox: Sandbox
  reached = 0
  ended = false
  pending: HookCall | undefined

  readonly #log: FlowLog
  readonly #phases = new Phases()
  readonly #changes: BodyChanges = new BodyChanges(this, (error) => this.#fail(error))
  readonly #deadline: Deadline = new Deadline((error) => this.#fail(error))
  #total: NodeJS.Timeout | undefined

  readonly #tried: Backend[] = []
  #busy: Backend | undefined
  #forwarding: Forwarding | undefined
  #resent = false
  #bodyMoved = false
  #bodyDue = false
  #isReceiving = false
  /** Way of the request's body; whatever was held of it goes upstream first. */
  readonly body: BodyPath = new BodyPath({ pause: () => this.#pauseBody(), resume: () => this.#receiveBody() })

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
    const { method, rawTarget, fields } = this.exchange
    const target = parseTarget(method, rawTarget, fields.all('host'), this.client.scheme)
    if ('problem' in target) return this.#fail(new PosternError(target.code, target.problem))
    this.target = target
    const route = this.plan.routes.find({ host: target.host, path: target.path, query: target.query, method, fields })
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
    this.chain = this.route!.through(this.upstream)
    ask(this, 'onRequest', this.chain, this.route!.base.length, (reply, by) => this.#asked(reply, by))
  }

  #asked(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.#answer(result, policy)
    this.#phases.mark('policies')
    const { connection } = this.exchange
    addForwarding(this.exchange.fields, {
      peerIp: connection.peerIp,
      clientIp: this.client.ip,
      scheme: this.client.scheme,
      authority: this.publicAuthority,
      localPort: connection.localPort,
      trusted: this.client.trusted,
    })
    this.exchange.fields.set('host', this.target.authority)
    this.exchange.fields.set('x-request-id', this.id)
    this.exchange.fields.delete('expect')
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
    this.#phases.mark('queue')
    const { method, fields } = this.exchange
    const { replacedLength } = this.body
    const hasBody = replacedLength === undefined ? this.exchange.hasBody : replacedLength > 0
    this.#forwarding = forward(backend, { method, target: this.target.full, fields, hasBody }, timeouts.connect, this)
  }

  onConnected(): void {
    this.#phases.mark('connect')
    this.#error = undefined
    this.#awaitHead()
  }

  /** Blames whoever has to act next: the client while its body is due, else the backend. */
  #awaitHead(): void {
    if (this.response !== undefined) return
    if (this.#bodyDue) this.#awaitClient()
    else this.#deadline.set(this.upstream!.config.timeouts.response, 'UT', 'no response head from the backend')
  }

  onBodyWanted(): void {
    const forwarding = this.#forwarding
    if (this.#bodyMoved || forwarding === undefined) return this.body.onWritable()
    this.#bodyMoved = true
    this.body.flow(forwarding, this.#changes.of('onRequestBody', this.chain))
  }

  onBody(chunk: Uint8Array): void {
    this.body.take(chunk)
    this.#awaitMore()
  }

  onBodyEnd(): void {
    this.#bodyDue = false
    this.body.end()
    this.#awaitMore()
  }

  #receiveBody(): void {
    this.#bodyDue = true
    if (this.#isReceiving) this.exchange.resume()
    else this.exchange.receive()
    this.#isReceiving = true
    this.#awaitMore()
  }

  #pauseBody(): void {
    this.#bodyDue = false
    this.exchange.pause()
  }

  #awaitMore(): void {
    if (this.#forwarding !== undefined) this.#awaitHead()
    else if (this.#bodyDue && this.response === undefined) this.#awaitClient()
    else if (this.response === undefined) this.#deadline.clear()
  }

  #awaitClient(): void {
    this.#deadline.set(this.idle, 'DPE', 'the client stopped sending the body', 408)
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
    const dead = error.code === 'UC' || error.code === 'UR'
    if (
      dead &&
      !this.#resent &&
      idempotent.has(this.exchange.method) &&
      !this.exchange.hasBody &&
      this.body.replacedLength === undefined
    ) {
      this.#resent = true
      return this.#attempt()
    }
    this.#fail(error)
  }

  // ── response ───────────────────────────────────────────────────────────────────────────────────────────────────────

  onHead(status: number, reason: string, fields: Fields): void {
    this.#phases.mark('head')
    this.#deadline.clear()
    removeHopByHop(fields)
    const forwarding = this.#forwarding
    const body = new BodyPath({ pause: () => forwarding?.pause(), resume: () => forwarding?.resume() })
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
    const reply = failed ? problemOf(result, this.id) : result
    const bytes = Buffer.from(reply.body)
    const body = new BodyPath(made)
    body.replace(bytes)
    const fields = new Fields(reply.headers.flat())
    if (reply.status !== 204 && reply.status !== 304) fields.set('content-length', `${bytes.length}`)
    // What follows on the connection cannot be told from the rest of a malformed request.
    if (failed && result.code === 'DPE') fields.set('connection', 'close')
    this.response = { status: reply.status, reason: '', fields, body }
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
    const isChanged = this.chain !== undefined && this.chain.steps.onResponseBody.length > 0
    if (status !== 204 && status !== 304) setBodyLength(fields, body, isChanged)
    this.#headSent = true
    this.exchange.respond(status, reason, fields)
    this.#awaitBody()
    const isHead = this.exchange.method === 'HEAD'
    body.flow(
      isHead ? { write: () => true, end: () => this.exchange.end() } : this.exchange,
      isHead ? undefined : this.#changes.of('onResponseBody', this.chain),
    )
  }

  #awaitBody(): void {
    this.#deadline.set(this.idle, 'SI', 'the response stood still')
  }

  onData(chunk: Uint8Array): void {
    this.#awaitBody()
    this.response?.body.take(chunk)
  }

  onWritable(): void {
    this.response?.body.onWritable()
  }

  onEnd(): void {
    this.#awaitBody()
    this.#releaseBackend()
    this.#forwarding = undefined
    this.response?.body.end()
  }

  // ── bodies that policies hold or change ────────────────────────────────────────────────────────────────────────────

  hold(need: BodyNeed, done: (error: PosternError | undefined) => void): void {
    holdBody(need.hook === 'onRequest' ? this.body : this.response!.body, need, (error) => this.ended || done(error))
  }

  replaceBody(hook: HookName, bytes: Uint8Array): void {
    if (hook === 'onRequest') this.body.replace(bytes)
    else if (hook === 'onResponse') {
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
  }

  #dropUpstream(): void {
    this.#forwarding?.cancel()
    this.#forwarding = undefined
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
