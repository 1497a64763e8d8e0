import { layerOf } from '../config/protocols.ts'
import { PosternError } from '../errors.ts'
import { type AwaitedCall, type Chain, cancelAwaited, examine, type HookFlow, type HookResult } from '../hooks/chain.ts'
import type { Sandbox } from '../sandbox/plugin.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import type { Backend } from '../upstream/backend.ts'
import type { Verdict } from '../upstream/health.ts'
import { ConnectionFacts } from './connection-facts.ts'

/** The policies whose last check of a backend failed, and its outcome. */
const failing = new WeakMap<Backend, Map<string, string>>()

/**
 * `checkHealth` of one backend, once: asks the policies of its upstream, each for `timeout` milliseconds at most. `done` is
 * called without a verdict when none of them gives one, and never after `cancel`.
 */
export class HealthFlow implements HookFlow {
  readonly facts: ConnectionFacts
  readonly sandbox: Sandbox
  reached = 0
  ended = false
  readonly #backend: Backend
  readonly #snapshot: Snapshot
  readonly #timeout: number
  readonly #tap: Tap
  #awaited: AwaitedCall | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(
    backend: Backend,
    snapshot: Snapshot,
    chain: Chain,
    timeout: number,
    tap: Tap,
    done: (verdict: Verdict | undefined) => void,
  ) {
    const { upstream, address } = backend
    const protocol = snapshot.upstreams.get(upstream)?.config.protocol ?? 'http'
    // Log lines of plugins and crash reports have no request to name.
    const id = `health of ${upstream} ${address}`
    this.facts = new ConnectionFacts(
      layerOf(protocol),
      id,
      undefined,
      '',
      () => 'a probe cannot choose another upstream',
    )
    this.facts.upstreamName = upstream
    this.facts.backend = backend
    this.sandbox = snapshot.sandbox
    this.#backend = backend
    this.#snapshot = snapshot
    this.#timeout = timeout
    this.#tap = tap
    snapshot.retain()
    examine(this, chain, (result, policy) => {
      this.#end()
      if (result === undefined || policy === undefined) return done(undefined)
      if (result instanceof PosternError) return done({ healthy: false, why: result.message })
      const { healthy, weight, why = `policy "${policy.name}"` } = result
      done({ healthy, weight, why })
    })
  }

  cancel(): void {
    if (this.ended) return
    cancelAwaited(this)
    this.#end()
  }

  #end(): void {
    this.ended = true
    this.awaited = undefined
    this.#snapshot.release()
  }

  get awaited(): AwaitedCall | undefined {
    return this.#awaited
  }

  /** Starts the timeout anew for each call. */
  set awaited(call: AwaitedCall | undefined) {
    clearTimeout(this.#timer)
    this.#awaited = call
    if (call !== undefined) this.#timer = setTimeout(() => this.#expire(call), this.#timeout).unref()
  }

  /** Fails it as the sandbox would, so that `onFailure` decides and the next policy has its turn. */
  #expire(call: AwaitedCall): void {
    this.sandbox.cancel(call)
    call.settle(0, { kind: 'failed', code: 'PT', message: `no verdict within ${this.#timeout} ms` })
  }

  /** A policy that fails in every interval is reported once, and again when it fails in another way or after a success. */
  onHook(result: HookResult): void {
    const { error, policy } = result
    if (!result.ran) return
    const known = failing.get(this.#backend) ?? new Map<string, string>()
    failing.set(this.#backend, known)
    const isNew = error !== undefined && known.get(policy.name) !== error.outcome
    if (error === undefined) known.delete(policy.name)
    else known.set(policy.name, error.outcome)
    if (error !== undefined && !isNew) return
    const message = `${this.#backend.address}: ${error?.message}`
    const named = error && new PosternError(error.code, message, { plugin: policy.plugin, cause: error })
    this.#tap.hook(this.facts, { ...result, error: named })
  }

  replaceResponse(): void {}
}
