import type { Reply } from '../../sdk/reply.ts'
import type { PosternError } from '../errors.ts'
import { type AwaitedCall, ask, cancelAwaited, type HookFlow, type HookResult, tell } from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import type { Peer } from '../net/peer.ts'
import type { Sandbox } from '../sandbox/plugin.ts'
import type { HttpPlan } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import { ConnectionFacts } from './connection-facts.ts'
import { flowId } from './flow-id.ts'
import type { Refusal, Visit } from './visit.ts'

/**
 * `onConnect` and `onDisconnect` of an HTTP connection, for the listener's policies. Its requests wait for the decision; a
 * refusal answers the first of them and ends the connection.
 */
export class Admission implements HookFlow, Visit {
  readonly facts: ConnectionFacts
  readonly sandbox: Sandbox
  ended = false
  reached = 0
  awaited: AwaitedCall | undefined
  /** Why no request of this connection is served. */
  refusal: Refusal | undefined
  readonly #plan: HttpPlan
  readonly #tap: Tap
  #decided = false
  #released = false
  #waiting: (() => void)[] = []

  constructor(peer: Peer, plan: HttpPlan, tap: Tap) {
    const problem = (): string => 'on L7 the upstream is chosen in onRequest'
    this.facts = new ConnectionFacts('L7', flowId(), peer, plan.name, problem)
    this.sandbox = plan.snapshot.sandbox
    this.#plan = plan
    this.#tap = tap
    plan.snapshot.retain()
  }

  askEarly(done: (refusal: Refusal | undefined) => void): void {
    const { admission } = this.#plan
    const asked = (result: Reply | PosternError | undefined, policy: Policy | undefined): void =>
      done(result && { result, policy })
    ask(this, 'onConnect', admission, 0, asked, admission.handshakeAt)
  }

  /** Asks the policies from there on: 0, or what `askEarly` has left. */
  ask(from: number): void {
    const { admission } = this.#plan
    ask(this, 'onConnect', admission, from, (result, policy) => {
      if (result !== undefined) this.refusal = { result, policy }
      this.#decided = true
      // No `onDisconnect` runs at the end, so the snapshot can be released now.
      if (admission.steps.onDisconnect.length === 0) this.#release()
      for (const start of this.#waiting) start()
      this.#waiting = []
    })
  }

  /** The handshake is over: asks the policies that are left. */
  secured({ tls }: Peer): void {
    this.facts.tls = tls
    this.ask(this.#plan.admission.handshakeAt)
  }

  /** Calls `start` immediately if the decision has been made, otherwise when it is made. */
  whenDecided(start: () => void): void {
    if (this.#decided) start()
    else this.#waiting.push(start)
  }

  /** The connection has ended. */
  end(): void {
    if (this.ended) return
    this.ended = true
    cancelAwaited(this)
    tell(this, this.#plan.admission, () => this.#release(), 'onDisconnect')
  }

  #release(): void {
    if (this.#released) return
    this.#released = true
    this.#plan.snapshot.release()
  }

  replaceResponse(): void {}

  onHook(result: HookResult): void {
    this.#tap.hook(this.facts, result)
  }
}
