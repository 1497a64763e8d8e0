import { PosternError } from '../errors.ts'
import { type Chain, choose, type HookFlow } from '../hooks/chain.ts'
import type { BackendFacts } from '../hooks/scopes.ts'
import type { Backend } from './backend.ts'
import type { Upstream } from './upstream.ts'

/** What the attempts of a flow need of it: both layers offer the same. */
export interface AttemptFlow extends HookFlow {
  readonly facts: HookFlow['facts'] & {
    /** Those that `selectBackend` chooses from. */
    candidates: readonly BackendFacts[]
    backend: Backend | undefined
  }
  /** A backend was chosen. */
  onBackend(backend: Backend): void
  fail(error: PosternError): void
}

/** How often a request that backends refuse to process is sent. */
const maxAttempts = 5

const none: readonly Backend[] = []

/**
 * The attempts of one flow at the backends of its upstream, one at a time: `begin` chooses a backend and counts the flow as
 * active on it, `end` ends that and records the result. Every `begin` that chose a backend is paired with one `end`.
 */
export class Attempts {
  readonly #flow: AttemptFlow
  /** Backends that could not be reached; each is tried once. */
  #unreachable: readonly Backend[] = none
  /** Why the attempt before this one failed. */
  #error: PosternError | undefined
  /** Backends that were chosen so far. */
  count = 0
  /** The backend on which the flow is counted as active. */
  #busy: Backend | undefined

  constructor(flow: AttemptFlow) {
    this.#flow = flow
  }

  /**
   * Chooses a backend: by the policies (`selectBackend`), or else by the balance. Calls `onBackend` of the flow before it
   * returns, or when the policies have answered; never when the flow ends before that. When no backend is left, the flow fails
   * with the error of the last attempt, or with `UH`.
   */
  begin(upstream: Upstream, chain: Chain): void {
    const flow = this.#flow
    const { facts } = flow
    const tried = this.#unreachable
    const isAsked = chain.steps.selectBackend.length > 0
    const candidates = isAsked ? upstream.choosable(tried) : upstream.candidates(tried)
    if (candidates.length === 0) return flow.fail(this.#noneLeft(upstream))
    if (!isAsked) return this.#take(upstream.pick(candidates, facts)!)
    facts.candidates = candidates
    choose(flow, chain, (result) => {
      if (result instanceof PosternError) return flow.fail(result)
      // Health may have changed while the policies ran: an ejected backend is never used.
      const chosen = candidates.find((backend) => backend === result && (backend.available || backend.draining))
      const backend = chosen ?? upstream.pick(upstream.candidates(tried), facts)
      if (backend === undefined) flow.fail(this.#noneLeft(upstream))
      else this.#take(backend)
    })
  }

  /** Whether a request that backends have refused to process is not sent once more. */
  get areMany(): boolean {
    return this.count >= maxAttempts
  }

  /** The connection to the backend is established: errors of earlier attempts are forgotten. */
  connected(): void {
    this.#error = undefined
  }

  /**
   * The attempt is over; does nothing when none is under way.
   *
   * @param error why it failed; with `UF` the backend is not tried again.
   */
  end(error?: PosternError): void {
    const backend = this.#busy
    if (backend === undefined) return
    this.#busy = undefined
    backend.release()
    if (error?.code !== 'UF') return
    this.#unreachable = [...this.#unreachable, backend]
    this.#error = error
  }

  #noneLeft({ name }: Upstream): PosternError {
    return this.#error ?? new PosternError('UH', `upstream "${name}" has no healthy backend`)
  }

  #take(backend: Backend): void {
    this.count++
    this.#busy = backend
    this.#flow.facts.backend = backend
    backend.acquire()
    this.#flow.onBackend(backend)
  }
}
