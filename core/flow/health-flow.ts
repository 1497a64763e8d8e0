import type { HookName, Layer } from '../../sdk/points.ts'
import { PosternError } from '../errors.ts'
import { type Chain, examine, type HookFlow } from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import type { BackendFacts } from '../hooks/scopes.ts'
import type { HookCall, Sandbox } from '../sandbox/plugin.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { FlowLog } from '../telemetry/log.ts'
import type { Backend } from '../upstream/backend.ts'
import type { Verdict } from '../upstream/health.ts'

/**
 * `checkHealth` of one backend, once: asks the policies of its upstream, each for `timeout` milliseconds at most. `done` is
 * called without a verdict when none of them has an opinion, and not at all after `cancel`.
 */
export class HealthFlow implements HookFlow {
  readonly layer: Layer
  /** What plugins log and crash reports tell has no request to name. */
  readonly id: string
  readonly clientIp = ''
  readonly clientPort = undefined
  readonly peerIp = ''
  readonly localPort = 0
  readonly listenerName = ''
  readonly routeName = undefined
  readonly upstreamName: string
  readonly request = undefined
  readonly response = undefined
  readonly backend: Backend
  readonly candidates: readonly BackendFacts[] = []
  readonly requestFields = undefined
  readonly responseFields = undefined
  readonly outcome = ''
  readonly states: (string | undefined)[] = []
  readonly sandbox: Sandbox
  consumer: string | undefined
  reached = 0
  ended = false
  readonly #snapshot: Snapshot
  readonly #timeout: number
  readonly #log: FlowLog
  #pending: HookCall | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(
    backend: Backend,
    snapshot: Snapshot,
    chain: Chain,
    timeout: number,
    log: FlowLog,
    done: (verdict: Verdict | undefined) => void,
  ) {
    this.backend = backend
    this.upstreamName = backend.upstream
    this.layer = snapshot.upstreams.get(backend.upstream)?.config.protocol === 'tcp' ? 'L4' : 'L7'
    this.id = `health of ${backend.upstream} ${backend.address}`
    this.sandbox = snapshot.sandbox
    this.#snapshot = snapshot
    this.#timeout = timeout
    this.#log = log
    snapshot.retain()
    examine(this, chain, (result, policy) => {
      this.#end()
      if (result === undefined || policy === undefined) return done(undefined)
      if (result instanceof PosternError) return done({ healthy: false, why: `${backend.address}: ${result.message}` })
      const { healthy, weight, why = `policy "${policy.name}"` } = result
      done({ healthy, weight, why: `${backend.address}: ${why}` })
    })
  }

  cancel(): void {
    if (this.ended) return
    if (this.#pending !== undefined) this.sandbox.cancel(this.#pending)
    this.#end()
  }

  #end(): void {
    this.ended = true
    this.pending = undefined
    this.#snapshot.release()
  }

  get pending(): HookCall | undefined {
    return this.#pending
  }

  /** Each call has its own time. */
  set pending(call: HookCall | undefined) {
    clearTimeout(this.#timer)
    this.#pending = call
    if (call !== undefined) this.#timer = setTimeout(() => this.#expire(call), this.#timeout).unref()
  }

  /** Fails it as the sandbox would, so that `onFailure` decides and the next policy has its turn. */
  #expire(call: HookCall): void {
    this.sandbox.cancel(call)
    call.settle(0, { kind: 'failed', code: 'PT', message: `it has no verdict within ${this.#timeout} ms` })
  }

  onHook(policy: Policy, hook: HookName, _duration: number, error: PosternError | undefined): void {
    if (error === undefined) return
    const { address } = this.backend
    const told = new PosternError(error.code, `${address}: ${error.message}`, { plugin: policy.plugin, cause: error })
    this.#log.policyFailed(this, policy, hook, told)
  }

  upstreamProblem(): string {
    return 'a probe goes to no other upstream'
  }

  useUpstream(): void {}

  replaceResponse(): void {}
}
