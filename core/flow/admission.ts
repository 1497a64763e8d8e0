import type { HookName } from '../../sdk/points.ts'
import type { Reply } from '../../sdk/reply.ts'
import type { PosternError } from '../errors.ts'
import { ask, type HookFlow, tell } from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import type { BackendFacts } from '../hooks/scopes.ts'
import type { HttpConnection } from '../http/exchange.ts'
import type { HookCall, Sandbox } from '../sandbox/plugin.ts'
import type { HttpPlan } from '../snapshot/snapshot.ts'
import type { FlowLog } from '../telemetry/log.ts'
import { flowId } from './flow-id.ts'

/**
 * `onConnect` and `onDisconnect` of an HTTP connection, for the listener's policies. Its requests wait for the decision; a
 * refusal answers the first of them and ends the connection.
 */
export class Admission implements HookFlow {
  readonly layer = 'L7'
  readonly id: string = flowId()
  readonly clientIp: string
  readonly clientPort: number
  readonly peerIp: string
  readonly localPort: number
  readonly listenerName: string
  readonly routeName = undefined
  readonly upstreamName = undefined
  readonly request = undefined
  readonly response = undefined
  readonly backend = undefined
  readonly candidates: readonly BackendFacts[] = []
  readonly requestFields = undefined
  readonly responseFields = undefined
  readonly outcome = ''
  readonly states: (string | undefined)[] = []
  readonly sandbox: Sandbox
  ended = false
  consumer: string | undefined
  reached = 0
  pending: HookCall | undefined
  /** Why no request of this connection is served. */
  refusal: { result: Reply | PosternError; policy: Policy | undefined } | undefined
  readonly #plan: HttpPlan
  readonly #log: FlowLog
  #decided = false
  #released = false
  #waiting: (() => void)[] = []

  constructor(connection: HttpConnection, plan: HttpPlan, log: FlowLog) {
    this.clientIp = connection.peerIp
    this.clientPort = connection.peerPort
    this.peerIp = connection.peerIp
    this.localPort = connection.localPort
    this.listenerName = plan.name
    this.sandbox = plan.snapshot.sandbox
    this.#plan = plan
    this.#log = log
    plan.snapshot.retain()
    ask(this, 'onConnect', plan.admission, 0, (result, policy) => {
      if (result !== undefined) this.refusal = { result, policy }
      this.#decided = true
      // Nobody wants to know of the end: a new configuration need not wait for it.
      if (plan.admission.steps.onDisconnect.length === 0) this.#release()
      for (const start of this.#waiting) start()
      this.#waiting = []
    })
  }

  /** Calls at once when the decision is there. */
  whenDecided(start: () => void): void {
    if (this.#decided) start()
    else this.#waiting.push(start)
  }

  /** The connection has ended. */
  end(): void {
    if (this.ended) return
    this.ended = true
    if (this.pending !== undefined) this.sandbox.cancel(this.pending)
    this.pending = undefined
    tell(this, this.#plan.admission, () => this.#release(), 'onDisconnect')
  }

  #release(): void {
    if (this.#released) return
    this.#released = true
    this.#plan.snapshot.release()
  }

  upstreamProblem(): string {
    return 'on L7 the upstream is chosen in onRequest'
  }

  useUpstream(): void {}

  replaceResponse(): void {}

  onHook(policy: Policy, hook: HookName, _duration: number, error: PosternError | undefined): void {
    if (error !== undefined) this.#log.policyFailed(this, policy, hook, error)
  }
}
