import type { Socket } from 'node:net'
import type { HookName } from '../../sdk/points.ts'
import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import { ask, type Chain, choose, type HookFlow, tell } from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import type { BackendFacts } from '../hooks/scopes.ts'
import { normalizeIp } from '../http/client-address.ts'
import { connectTo } from '../net/connect.ts'
import { ReadBuffer } from '../net/read-buffer.ts'
import type { HookCall, Sandbox } from '../sandbox/plugin.ts'
import type { Route, TcpPlan } from '../snapshot/snapshot.ts'
import type { FlowLog } from '../telemetry/log.ts'
import { Phases } from '../telemetry/phases.ts'
import type { Backend } from '../upstream/backend.ts'
import { type Pipe, type PipeResult, pipe } from '../upstream/pipe.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { flowId } from './flow-id.ts'
import { outcomeOfReply } from './local-reply.ts'

/** A connection of a client: paused, half-open allowed, and what it reads into unless it has `data` events. */
interface Accepted {
  readonly socket: Socket
  readonly buffer: ReadBuffer | undefined
}

/**
 * The life of one L4 connection, top to bottom: accept → route → onConnect → choose a backend → connect → bytes → finish.
 * The client's socket arrives paused and stays so until the backend's stands: no byte of it is lost.
 */
export class ConnectionFlow implements HookFlow {
  readonly layer = 'L4'
  /** Identifies the connection in the log. */
  readonly id: string = flowId()
  readonly clientIp: string
  readonly clientPort: number
  readonly localPort: number
  readonly request = undefined
  readonly response = undefined
  readonly requestFields = undefined
  readonly responseFields = undefined
  readonly states: (string | undefined)[] = []
  readonly sandbox: Sandbox
  consumer: string | undefined
  reached = 0
  ended = false
  outcome = ''
  candidates: readonly BackendFacts[] = []
  pending: HookCall | undefined

  readonly #socket: Socket
  readonly #buffer: ReadBuffer | undefined
  readonly #plan: TcpPlan
  readonly #route: Route
  readonly #log: FlowLog
  readonly #onFinish: (flow: ConnectionFlow) => void
  readonly #phases = new Phases()
  #chain: Chain
  #upstream: Upstream | undefined

  readonly #tried: Backend[] = []
  #backend: Backend | undefined
  #busy: Backend | undefined
  #connecting: { cancel(): void } | undefined
  #pipe: Pipe | undefined
  #bytes = { in: 0, out: 0 }
  #error: PosternError | undefined

  constructor(
    { socket, buffer }: Accepted,
    plan: TcpPlan,
    route: Route,
    log: FlowLog,
    onFinish: (flow: ConnectionFlow) => void,
  ) {
    this.#socket = socket
    this.#buffer = buffer
    this.#plan = plan
    this.#route = route
    this.#log = log
    this.#onFinish = onFinish
    this.#chain = route.base
    this.#upstream = route.upstream
    this.sandbox = plan.snapshot.sandbox
    this.clientIp = normalizeIp(socket.remoteAddress ?? '')
    this.clientPort = socket.remotePort ?? 0
    this.localPort = socket.localPort ?? 0
    plan.snapshot.retain()
  }

  // ── onConnect ──────────────────────────────────────────────────────────────────────────────────────────────────────

  start(): void {
    // A reset before the pipe stands must not end the process; the pipe puts its own listener in this place.
    this.#socket.on('error', this.#onClientError)
    this.#socket.on('close', this.#onClientGone)
    ask(this, 'onConnect', this.#chain, 0, (result, policy) => this.#askedByRoute(result, policy))
  }

  #askedByRoute(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.#refuse(result, policy)
    this.#chain = this.#route.through(this.#upstream!)
    ask(this, 'onConnect', this.#chain, this.#route.base.length, (reply, by) => this.#asked(reply, by))
  }

  #asked(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.#refuse(result, policy)
    this.#phases.mark('policies')
    this.#attempt()
  }

  /** On L4 there is nobody to read a reply: it closes the connection. */
  #refuse(result: Reply | PosternError, policy: Policy | undefined): void {
    if (result instanceof PosternError) return this.#fail(result)
    this.outcome = policy === undefined ? '' : outcomeOfReply(result, policy)
    this.#socket.resetAndDestroy()
    this.#finish()
  }

  // ── choose a backend, connect ──────────────────────────────────────────────────────────────────────────────────────

  #attempt(): void {
    const upstream = this.#upstream!
    const candidates = upstream.candidates(this.#tried)
    if (candidates.length === 0) {
      return this.#fail(this.#error ?? new PosternError('UH', `upstream "${upstream.name}" has no healthy backend`))
    }
    if (this.#chain.steps.selectBackend.length === 0) return this.#connect(upstream.pick(candidates))
    this.candidates = candidates
    choose(this, this.#chain, (result) => {
      if (result instanceof PosternError) return this.#fail(result)
      // Health may have changed while the policies thought: an ejected backend is never used.
      const chosen = candidates.find((backend) => backend === result && backend.available)
      this.#connect(chosen ?? upstream.pick(candidates.filter((backend) => backend.available)))
    })
  }

  #connect(backend: Backend | undefined): void {
    if (backend === undefined) return this.#attempt()
    this.#backend = backend
    this.#busy = backend
    backend.acquire()
    this.#phases.mark('queue')
    const buffer = new ReadBuffer()
    const done = (error: PosternError | undefined, socket: Socket | undefined): void => {
      this.#connecting = undefined
      if (socket !== undefined) return this.#connected(socket, buffer)
      buffer.release()
      this.#releaseBackend()
      this.#tried.push(backend)
      this.#error = error
      this.#attempt()
    }
    this.#connecting = connectTo(backend, this.#upstream!.config.timeouts.connect, done, buffer)
  }

  // ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #connected(backend: Socket, buffer: ReadBuffer): void {
    this.#phases.mark('connect')
    this.#error = undefined
    this.#socket.off('error', this.#onClientError)
    this.#socket.off('close', this.#onClientGone)
    this.#pipe = pipe(this.#socket, backend, {
      idle: this.#upstream!.config.timeouts.idle,
      clientBuffer: this.#buffer,
      backendBuffer: buffer,
      onEnd: (result) => this.#piped(result),
    })
  }

  #piped(result: PipeResult): void {
    this.#phases.mark('body')
    this.#bytes = { in: result.bytesIn, out: result.bytesOut }
    this.#error = result.error
    this.outcome = result.outcome ?? ''
    this.#finish()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends it now, as at the end of a drain. */
  close(): void {
    if (this.#pipe !== undefined) this.#pipe.close()
    else this.#fail(new PosternError('SD', 'closed by the gateway'))
  }

  /** Whether a new configuration leaves it be: its route still leads to its upstream, and its backend is still there. */
  survives(plan: TcpPlan): boolean {
    if (plan.route?.name !== this.#route.name || plan.route.upstream?.name !== this.#route.upstream?.name) return false
    const upstream = plan.snapshot.upstreams.get(this.#upstream?.name ?? '')
    if (upstream === undefined) return false
    return this.#backend === undefined || upstream.backends.includes(this.#backend)
  }

  readonly #onClientError = (): void => {}
  readonly #onClientGone = (): void =>
    this.#fail(new PosternError('DC', 'the client went away before a backend was there'))

  #fail(error: PosternError): void {
    if (this.ended) return
    this.#error = error
    this.outcome = error.outcome
    this.#socket.resetAndDestroy()
    this.#finish()
  }

  #finish(): void {
    if (this.ended) return
    this.ended = true
    this.#socket.off('close', this.#onClientGone)
    if (this.pending !== undefined) this.sandbox.cancel(this.pending)
    this.#connecting?.cancel()
    if (this.#pipe === undefined) this.#buffer?.release()
    this.#releaseBackend()
    this.#log.connection(this, this.#bytes, this.#phases, this.#error)
    this.#onFinish(this)
    tell(this, this.#chain, () => this.#plan.snapshot.release())
  }

  #releaseBackend(): void {
    this.#busy?.release()
    this.#busy = undefined
  }

  // ── what policies see and write ────────────────────────────────────────────────────────────────────────────────────

  get peerIp(): string {
    return this.clientIp
  }
  get listenerName(): string {
    return this.#plan.name
  }
  get routeName(): string {
    return this.#route.name
  }
  get upstreamName(): string | undefined {
    return this.#upstream?.name
  }
  get backend(): Backend | undefined {
    return this.#backend
  }

  upstreamProblem(name: string): string | undefined {
    const upstream = this.#plan.snapshot.upstreams.get(name)
    if (upstream === undefined) return `there is no upstream "${name}"`
    if (upstream.config.protocol !== 'tcp') return `upstream "${name}" speaks http, not tcp`
    return this.#chain === this.#route.base ? undefined : `a policy of an upstream cannot choose another upstream`
  }

  useUpstream(name: string): void {
    this.#upstream = this.#plan.snapshot.upstreams.get(name)
  }

  onHook(policy: Policy, hook: HookName, duration: number, error: PosternError | undefined): void {
    this.#phases.hook(policy.name, hook, duration)
    if (error !== undefined) this.#log.policyFailed(this, policy, hook, error)
  }

  /** There is no response on L4. */
  replaceResponse(): void {}
}
