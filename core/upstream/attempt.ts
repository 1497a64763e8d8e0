// The global of the same name is a getter, and this runs on the path of requests.
import { performance } from 'node:perf_hooks'
import type { RetryCause, RetryConfig } from '../config/types.ts'
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

/** A timer of node may fire this much before its time, ms. */
const resolution = 2

const none: readonly Backend[] = []

/**
 * The attempts of one flow at the backends of its upstream, one at a time: `begin` chooses a backend and counts the flow as
 * active on it, `end` ends that and records the result. Every `begin` that chose a backend is paired with one `end`.
 */
export class Attempts {
  readonly #flow: AttemptFlow
  /** Backends that could not be reached; each is tried once. */
  #unreachable: readonly Backend[] = none
  /** Backends that failed otherwise; they get the flow again only when no other is left. */
  #failed: readonly Backend[] = none
  #retry: RetryConfig | undefined
  /** Attempts that do not count: those that found a kept-alive connection dead. */
  #free = 0
  /** When attempts have to be connected, by the clock of `performance`; infinite without `retry.within`. */
  #until = Number.POSITIVE_INFINITY
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
   *
   * @param preferred address of the backend that is taken instead of the one that the balance chooses, if it is a candidate
   */
  begin(upstream: Upstream, chain: Chain, preferred?: string): void {
    const flow = this.#flow
    const { facts } = flow
    if (this.#retry === undefined) this.#start(upstream.config.retry)
    const isAsked = chain.steps.selectBackend.length > 0
    const tried = this.#avoided(upstream, isAsked)
    const candidates = isAsked ? upstream.choosable(tried) : upstream.candidates(tried)
    if (candidates.length === 0) return flow.fail(this.#noneLeft(upstream))
    const known = preferred === undefined ? undefined : candidates.find(({ address }) => address === preferred)
    if (!isAsked) return this.#take(known ?? upstream.pick(candidates, facts)!)
    facts.candidates = candidates
    choose(flow, chain, (result) => {
      if (result instanceof PosternError) return flow.fail(result)
      // Health may have changed while the policies ran: an ejected backend is never used.
      const chosen = candidates.find(
        (backend) => backend === result && (backend.available || backend.draining) && !backend.isFull,
      )
      const backend = chosen ?? upstream.pick(upstream.candidates(tried), facts)
      if (backend === undefined) flow.fail(this.#noneLeft(upstream))
      else this.#take(backend)
    })
  }

  #start(retry: RetryConfig): void {
    this.#retry = retry
    if (retry.within !== undefined) this.#until = performance.now() + retry.within
  }

  /** Backends that the next attempt does not go to. */
  #avoided(upstream: Upstream, isAsked: boolean): readonly Backend[] {
    const unreachable = this.#unreachable
    if (this.#failed === none) return unreachable
    const all = [...unreachable, ...this.#failed]
    const left = isAsked ? upstream.choosable(all) : upstream.candidates(all)
    return left.length > 0 ? all : unreachable
  }

  /** Whether `retry` of the upstream allows another attempt. */
  get areLeft(): boolean {
    return this.count - this.#free <= (this.#retry?.attempts ?? 0) && this.#until - performance.now() > resolution
  }

  /** Whether an attempt that ended so may be followed by another one. */
  follow(cause: RetryCause): boolean {
    return this.#retry?.on.includes(cause) === true && this.areLeft
  }

  /** Whether backends may get a request of this method twice, besides those that are idempotent. */
  mayRepeat(method: string): boolean {
    return this.#retry?.idempotent.includes(method) === true
  }

  /** Whether a request may be sent again for another cause than that no backend has processed it. */
  get areKept(): boolean {
    return this.#retry?.on.some((cause) => cause !== 'connect') === true
  }

  /** Longest time for the connection of this attempt, ms. @param most of the upstream */
  connectLimit(most: number): number {
    if (this.#until === Number.POSITIVE_INFINITY) return most
    return Math.max(1, Math.min(most, Math.ceil(this.#until - performance.now())))
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

  /** Another attempt follows, at another backend where there is one. */
  avoid(backend: Backend): void {
    this.#failed = [...this.#failed, backend]
  }

  /** Another attempt follows at once that does not count: the connection was dead before the request was sent on it. */
  forgive(): void {
    this.#free++
  }

  #noneLeft({ name, isFull }: Upstream): PosternError {
    if (this.#error !== undefined) return this.#error
    if (isFull) return new PosternError('UO', `upstream "${name}" has as many connections as "maxConnections" allows`)
    return new PosternError('UH', `upstream "${name}" has no healthy backend`)
  }

  #take(backend: Backend): void {
    this.count++
    this.#busy = backend
    this.#flow.facts.backend = backend
    backend.acquire()
    this.#flow.onBackend(backend)
  }
}
