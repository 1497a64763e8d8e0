import type { Reply } from '../../sdk/reply.ts'
import { trafficOf } from '../config/protocols.ts'
import type { PosternError } from '../errors.ts'
import { type AwaitedCall, ask, type Chain, cancelAwaited, type HookResult, tell } from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import type { Peer } from '../net/peer.ts'
import { connectionRequest } from '../route/connection-table.ts'
import type { Sandbox } from '../sandbox/plugin.ts'
import type { Route, TcpPlan } from '../snapshot/snapshot.ts'
import { Phases } from '../telemetry/phases.ts'
import type { Tap } from '../telemetry/tap.ts'
import { type AttemptFlow, Attempts } from '../upstream/attempt.ts'
import type { Backend } from '../upstream/backend.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { ConnectionFacts } from './connection-facts.ts'
import { flowId } from './flow-id.ts'

/** What is the same for every flow of L4, a connection or a session of datagrams: its route, its policies, its record. */
export abstract class L4Flow implements AttemptFlow {
  readonly facts: ConnectionFacts
  readonly sandbox: Sandbox
  reached = 0
  ended = false
  awaited: AwaitedCall | undefined

  protected readonly plan: TcpPlan
  protected readonly route: Route
  protected readonly phases: Phases = new Phases()
  protected readonly attempts: Attempts = new Attempts(this)
  protected chain: Chain
  protected error: PosternError | undefined
  readonly #tap: Tap

  constructor(peer: Peer, plan: TcpPlan, route: Route, tap: Tap) {
    this.facts = new ConnectionFacts('L4', flowId(), peer, plan.name, (name) => this.#upstreamProblem(name))
    this.facts.routeName = route.name
    this.facts.upstreamName = route.upstream?.name
    this.plan = plan
    this.route = route
    this.#tap = tap
    this.chain = route.base
    this.sandbox = plan.snapshot.sandbox
    plan.snapshot.retain()
  }

  abstract onBackend(backend: Backend): void

  abstract fail(error: PosternError): void

  /** Asks `onConnect` of the policies from there on: those of listener and route, then those of the upstream that they chose. */
  protected askFrom(
    from: number,
    done: (result: Reply | PosternError | undefined, by: Policy | undefined) => void,
  ): void {
    const { base } = this.route
    if (this.chain !== base) return ask(this, 'onConnect', this.chain, from, done)
    ask(this, 'onConnect', base, from, (result, policy) => {
      if (result !== undefined) return done(result, policy)
      this.chain = this.route.through(this.upstream!)
      ask(this, 'onConnect', this.chain, base.length, done)
    })
  }

  /** Chooses a backend. @param preferred address of the one to take, if the balance may choose it and no policy chooses */
  protected attempt(preferred?: string): void {
    this.attempts.begin(this.upstream!, this.chain, preferred)
  }

  /** Whether it may go on under a new plan: its route has the same upstream, and its backend still exists. */
  survives(plan: TcpPlan): boolean {
    const route = plan.routes.find(connectionRequest(this.facts.tls, this.facts.clientIp))
    if (route?.name !== this.route.name || route.upstream?.name !== this.route.upstream?.name) return false
    const upstream = plan.snapshot.upstreams.get(this.facts.upstreamName ?? '')
    if (upstream === undefined) return false
    return this.facts.backend === undefined || upstream.backends.includes(this.facts.backend)
  }

  /** Ends it without a record. */
  protected endSilently(): void {
    this.ended = true
    cancelAwaited(this)
    tell(this, this.chain, () => this.plan.snapshot.release())
  }

  /** Ends it: its backend is free again, there is a record, and the policies hear of it. @param onFinish before these do */
  protected finish(onFinish: () => void): void {
    this.ended = true
    cancelAwaited(this)
    this.attempts.end(this.error)
    this.phases.end()
    this.#tap.tell({
      kind: 'end',
      flow: this.facts,
      bytesIn: this.facts.bytes.in,
      bytesOut: this.facts.bytes.out,
      datagrams: this.facts.datagrams,
      phases: this.phases,
      attempts: this.attempts.count,
      error: this.error,
    })
    onFinish()
    tell(this, this.chain, () => this.plan.snapshot.release())
  }

  onHook(result: HookResult): void {
    if (result.ran) this.phases.hook(result.policy.name, result.hook, result.duration)
    this.#tap.hook(this.facts, result)
  }

  /** There is no response on L4. */
  replaceResponse(): void {}

  protected get upstream(): Upstream | undefined {
    return this.plan.snapshot.upstreams.get(this.facts.upstreamName ?? '')
  }

  #upstreamProblem(name: string): string | undefined {
    const upstream = this.plan.snapshot.upstreams.get(name)
    if (upstream === undefined) return `there is no upstream "${name}"`
    const { protocol } = upstream.config
    const traffic = trafficOf(this.plan.config.protocol)
    if (trafficOf(protocol) !== traffic)
      return `upstream "${name}" has the protocol ${protocol}; this listener forwards ${traffic}`
    return this.chain === this.route.base ? undefined : 'a policy of an upstream cannot choose another upstream'
  }
}
