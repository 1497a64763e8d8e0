import type { Reply } from '../../sdk/reply.ts'
import { layerOf } from '../config/protocols.ts'
import { PosternError } from '../errors.ts'
import {
  type AwaitedCall,
  ask,
  type Chain,
  cancelAwaited,
  type HookFlow,
  type HookResult,
  tell,
} from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { Peer } from '../net/peer.ts'
import type { Sandbox } from '../sandbox/plugin.ts'
import type { Route, TcpPlan } from '../snapshot/snapshot.ts'
import { Phases } from '../telemetry/phases.ts'
import type { Tap } from '../telemetry/tap.ts'
import { refuseEncryption } from '../tls/postgres.ts'
import { Attempts } from '../upstream/attempt.ts'
import type { Backend } from '../upstream/backend.ts'
import { type Pipe, type PipeResult, pipe } from '../upstream/pipe.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { ConnectionFacts } from './connection-facts.ts'
import { flowId } from './flow-id.ts'
import { outcomeOfReply } from './local-reply.ts'
import type { Refusal, Visit } from './visit.ts'

/**
 * The life of one L4 connection, top to bottom: accept → route → onConnect → choose a backend → connect → bytes → finish.
 * With TLS the handshake is among the policies of onConnect: before the first one that needs it.
 * Nothing is read from the client until the connection to the backend is established: no byte of it is lost.
 */
export class ConnectionFlow implements HookFlow, Visit {
  readonly facts: ConnectionFacts
  readonly sandbox: Sandbox
  reached = 0
  ended = false
  awaited: AwaitedCall | undefined

  /** Not started. `undefined`: the handshake is not over. */
  #client: ByteStream | undefined
  readonly #plan: TcpPlan
  readonly #route: Route
  readonly #tap: Tap
  readonly #onFinish: (flow: ConnectionFlow) => void
  readonly #phases = new Phases()
  #chain: Chain

  readonly #attempts: Attempts = new Attempts(this)
  #connecting: { cancel(): void } | undefined
  #pipe: Pipe | undefined
  #bytes = { in: 0, out: 0 }
  #error: PosternError | undefined

  constructor(peer: Peer, plan: TcpPlan, route: Route, tap: Tap, onFinish: (flow: ConnectionFlow) => void) {
    this.facts = new ConnectionFacts('L4', flowId(), peer, plan.name, (name) => this.#upstreamProblem(name))
    this.facts.routeName = route.name
    this.facts.upstreamName = route.upstream?.name
    this.#plan = plan
    this.#route = route
    this.#tap = tap
    this.#onFinish = onFinish
    this.#chain = route.base
    this.sandbox = plan.snapshot.sandbox
    plan.snapshot.retain()
  }

  // ── onConnect ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @param client not started. */
  start(client: ByteStream): void {
    this.#client = client
    this.#phases.enter('policies', false)
    ask(this, 'onConnect', this.#chain, 0, (result, policy) => this.#askedByRoute(result, policy))
  }

  askEarly(done: (refusal: Refusal | undefined) => void): void {
    const { base } = this.#route
    this.#phases.enter('policies', false)
    const asked = (result: Reply | PosternError | undefined, policy: Policy | undefined): void =>
      done(result && { result, policy })
    const askedByRoute = (result: Reply | PosternError | undefined, policy: Policy | undefined): void => {
      if (result !== undefined || base.handshakeAt < base.length) return asked(result, policy)
      this.#chain = this.#route.through(this.#upstream!)
      ask(this, 'onConnect', this.#chain, base.length, asked, this.#chain.handshakeAt)
    }
    ask(this, 'onConnect', base, 0, askedByRoute, base.handshakeAt)
  }

  /** The handshake is over: asks the policies that are left. @param client not started. */
  secured(client: ByteStream, { tls }: Peer): void {
    this.#client = client
    this.facts.tls = tls
    const { base } = this.#route
    const from = this.#chain.handshakeAt
    if (this.#chain === base) ask(this, 'onConnect', base, from, (result, policy) => this.#askedByRoute(result, policy))
    else ask(this, 'onConnect', this.#chain, from, (result, policy) => this.#asked(result, policy))
  }

  #askedByRoute(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.#refuse(result, policy)
    this.#chain = this.#route.through(this.#upstream!)
    ask(this, 'onConnect', this.#chain, this.#route.base.length, (reply, by) => this.#asked(reply, by))
  }

  #asked(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.#refuse(result, policy)
    this.#phases.enter('queue')
    this.#attempt()
  }

  /** An L4 client cannot be sent a reply: the connection is closed. */
  #refuse(result: Reply | PosternError, policy: Policy | undefined): void {
    if (result instanceof PosternError) return this.fail(result)
    this.facts.outcome = policy === undefined ? '' : outcomeOfReply(result, policy)
    this.#client!.reset()
    this.#finish()
  }

  // ── choose a backend, connect ──────────────────────────────────────────────────────────────────────────────────────

  #attempt(): void {
    this.#attempts.begin(this.#upstream!, this.#chain)
  }

  onBackend(backend: Backend): void {
    this.#phases.enter('connect')
    const done = (error: PosternError | undefined, stream: ByteStream | undefined): void => {
      this.#connecting = undefined
      if (stream !== undefined) return this.#connected(stream)
      this.#attempts.end(error)
      const isNext = error?.code === 'UF' && this.#attempts.areLeft
      if (!isNext) return this.fail(error ?? new PosternError('GE', 'no connection'))
      this.#phases.enter('queue')
      this.#attempt()
    }
    const limit = this.#attempts.connectLimit(this.#upstream!.config.timeouts.connect)
    this.#connecting = backend.connect(backend, limit, done)
  }

  // ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #connected(backend: ByteStream): void {
    this.#phases.enter('body')
    this.#attempts.connected()
    const { timeouts, tls } = this.#upstream!.config
    const client = this.#client!
    this.#pipe = pipe(client, backend, {
      idle: timeouts.idle,
      onEnd: (result) => this.#piped(result),
      // The encryption that a client asks the backend for is that of the gateway.
      preface: tls?.starttls && refuseEncryption((bytes) => client.write(bytes)),
    })
  }

  #piped(result: PipeResult): void {
    this.#bytes = { in: result.bytesIn, out: result.bytesOut }
    this.#error = result.error
    this.facts.outcome = result.outcome ?? ''
    this.#finish()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends the connection immediately (`SD`), for example at the end of a drain. */
  close(): void {
    if (this.#pipe !== undefined) this.#pipe.close()
    else this.fail(new PosternError('SD', 'closed by the gateway'))
  }

  /** Whether the connection may stay open under a new plan: its route has the same upstream, and its backend still exists. */
  survives(plan: TcpPlan): boolean {
    const route = plan.routes.find({ serverName: this.facts.tls?.serverName })
    if (route?.name !== this.#route.name || route.upstream?.name !== this.#route.upstream?.name) return false
    const upstream = plan.snapshot.upstreams.get(this.facts.upstreamName ?? '')
    if (upstream === undefined) return false
    return this.facts.backend === undefined || upstream.backends.includes(this.facts.backend)
  }

  fail(error: PosternError): void {
    if (this.ended) return
    this.#error = error
    this.facts.outcome = error.outcome
    this.#client?.reset()
    this.#finish()
  }

  /** The connection has ended before its handshake was over, of which there is a record. */
  end(): void {
    if (this.ended) return
    this.ended = true
    cancelAwaited(this)
    tell(this, this.#chain, () => this.#plan.snapshot.release())
  }

  #finish(): void {
    if (this.ended) return
    this.ended = true
    cancelAwaited(this)
    this.#connecting?.cancel()
    this.#attempts.end(this.#error)
    this.#phases.end()
    this.#tap.tell({
      kind: 'end',
      flow: this.facts,
      bytesIn: this.#bytes.in,
      bytesOut: this.#bytes.out,
      phases: this.#phases,
      attempts: this.#attempts.count,
      error: this.#error,
    })
    this.#onFinish(this)
    tell(this, this.#chain, () => this.#plan.snapshot.release())
  }

  // ── policies ───────────────────────────────────────────────────────────────────────────────────────────────────────

  onHook(result: HookResult): void {
    if (result.ran) this.#phases.hook(result.policy.name, result.hook, result.duration)
    this.#tap.hook(this.facts, result)
  }

  /** There is no response on L4. */
  replaceResponse(): void {}

  get #upstream(): Upstream | undefined {
    return this.#plan.snapshot.upstreams.get(this.facts.upstreamName ?? '')
  }

  #upstreamProblem(name: string): string | undefined {
    const upstream = this.#plan.snapshot.upstreams.get(name)
    if (upstream === undefined) return `there is no upstream "${name}"`
    const { protocol } = upstream.config
    if (layerOf(protocol) !== 'L4')
      return `upstream "${name}" has the protocol ${protocol}; this listener forwards connections`
    return this.#chain === this.#route.base ? undefined : 'a policy of an upstream cannot choose another upstream'
  }
}
