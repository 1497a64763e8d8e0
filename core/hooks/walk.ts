// The global of the same name is a getter, and every step of every hook asks for the time.
import { performance } from 'node:perf_hooks'
import type { Health } from '../../sdk/health.ts'
import { type HookName, points } from '../../sdk/points.ts'
import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import type { Origin } from '../grants/origin.ts'
import type { HookStep, Verdict } from '../sandbox/plugin.ts'
import type { AwaitedCall, Chain, HookFlow } from './chain.ts'
import { applyOperations } from './operations.ts'
import type { Policy } from './policy.ts'
import { applyPrepared, isAwaitedBy } from './prepared.ts'
import type { ChainStep, CompiledRun, RunFamily } from './runs.ts'

/** What one policy decided: a reply, the index of a backend, its health, an error that rejects, or `undefined` to continue. */
export type Turn = Reply | PosternError | Health | number | undefined

/** A step, and the run it belongs to. */
export interface Step extends ChainStep {
  readonly family: RunFamily
  /** Its bit among the steps of the family. */
  readonly bit: number
}

/** What the walks of one hook have in common. Functions of the walk, so that a walk needs no closures. */
export interface WalkKind<D> {
  /** A policy has had its turn; true to go on to the next one. */
  onTurn(walk: Walk<D>, turn: Turn, policy: Policy): boolean
  /** No policy is left. */
  onEnd(walk: Walk<D>): void
}

/** Stands for the first policy of a walk: those take part that have had their turn in an earlier hook. */
export const afterwards = -1

/**
 * One hook of one flow: calls the policies of its chain, one run of them after the other. At most one call is under way,
 * so the walk is that call, too.
 */
export class Walk<D> implements AwaitedCall {
  readonly hook: HookName
  readonly host: HookFlow
  readonly chain: Chain
  readonly done: D
  /** Index in the chain of the first policy that does not take part, behind those that do. */
  readonly to: number
  readonly #steps: readonly Step[]
  readonly #kind: WalkKind<D>
  readonly #from: number
  /** The steps before it have had their turns, or are not called. */
  #position = 0
  next: AwaitedCall | undefined = undefined

  // The call under way.
  run!: CompiledRun
  pending: object | undefined = undefined
  number = 0
  /** Position of the first step of the run's family. */
  #first = 0
  #since = 0
  #hookSteps: readonly HookStep[] | undefined = undefined

  /** @param from index in the chain of the first policy that takes part, or `afterwards`. */
  constructor(
    host: HookFlow,
    hook: HookName,
    chain: Chain,
    kind: WalkKind<D>,
    from: number,
    done: D,
    to: number = chain.length,
  ) {
    this.host = host
    this.hook = hook
    this.chain = chain
    this.done = done
    this.to = to
    this.#steps = to === chain.length ? chain.steps[hook] : chain.steps[hook].filter(({ index }) => index < to)
    this.#kind = kind
    this.#from = from
  }

  /** Calls the next policy whose trigger matches, together with those after it that may cross with it. */
  goOn(): void {
    const { host, hook } = this
    let bits = 0
    let family: RunFamily | undefined
    for (let position = this.#position; position < this.#steps.length; position++) {
      const step = this.#steps[position]!
      if (family !== undefined && (family !== step.family || this.#mustWait(step))) break
      if (family === undefined && hook === 'onResponse') applyPrepared(host.facts, step.index)
      if (!this.#takesPart(step.index) || !isTriggered(host, hook, step.policy)) continue
      family = step.family
      bits |= step.bit
    }
    if (family === undefined) {
      this.#arrive(this.#steps.length)
      return this.#kind.onEnd(this)
    }
    this.run = family.of(bits)
    this.#first = family.first
    this.#hookSteps = undefined
    const position = this.#positionOf(0)
    this.#arrive(position)
    const { policy } = this.#steps[position]!
    const need = policy.bodies[hook]
    if (need === undefined || host.hold === undefined) return this.#call()
    host.hold(need, policy, (error) => {
      if (error === undefined) this.#call()
      else if (this.#kind.onTurn(this, policy.onFailure === 'continue' ? undefined : error, policy)) this.goOn()
    })
  }

  #call(): void {
    const { host } = this
    this.#since = performance.now()
    addAwaited(host, this)
    host.sandbox.call(this)
  }

  get flow(): string {
    return this.host.facts.id
  }

  get text(): string {
    return this.run.encode(this.host.facts)
  }

  get backend(): Origin | undefined {
    return this.hook === 'checkHealth' ? this.host.facts.backend?.origin : undefined
  }

  /** Its turns one by one, for a call that does not cross as a run. */
  get steps(): readonly HookStep[] {
    this.#hookSteps ??= this.run.members.map((_, member) => new WalkStep(this as Walk<unknown>, member))
    return this.#hookSteps
  }

  /** One step of the call is over; true when the next one runs, false when the others must not. */
  settle(member: number, verdict: Verdict): boolean {
    const { host, hook, run } = this
    if (host.ended && points[hook].kind !== 'observe') return false
    removeAwaited(host, this)
    const now = performance.now()
    const duration = now - this.#since
    this.#since = now
    const step = this.#steps[this.#positionOf(member)]!
    const turn = this.#turnOf(step, verdict)
    const error = turn instanceof PosternError ? turn : undefined
    const operations = verdict.kind === 'done' ? verdict.operations : none
    host.onHook({ policy: step.policy, hook, ran: true, duration, operations, error })
    const effective = error !== undefined && step.policy.onFailure === 'continue' ? undefined : turn
    if (!this.#kind.onTurn(this, effective, step.policy)) return false
    if (member === run.members.length - 1 || this.#isStale(member, effective, error)) {
      this.goOn()
      return false
    }
    addAwaited(host, this)
    this.#arrive(this.#positionOf(member + 1))
    return true
  }

  /**
   * Whether what the following steps were given is no longer true, so that they need a new call: the response was
   * replaced, or they saw what this step wrote although it has failed.
   */
  #isStale(member: number, effective: Turn, error: PosternError | undefined): boolean {
    if (effective !== undefined && points[this.hook].kind !== 'observe') return true
    return error !== undefined && this.run.members[member]!.written.length > 0
  }

  /** Whether a policy before this step has prepared what its policy reads of the response. */
  #mustWait({ policy, index }: Step): boolean {
    return this.hook === 'onResponse' && isAwaitedBy(policy, index, this.host.facts)
  }

  #takesPart(index: number): boolean {
    return this.#from === afterwards ? index < this.host.reached : index >= this.#from
  }

  #positionOf(member: number): number {
    return this.#first + this.run.offsets[member]!
  }

  /** Moves on to this position: the policies before it that are not in a call are recorded as skipped. */
  #arrive(position: number): void {
    const { host, hook } = this
    for (; this.#position < position; this.#position++) {
      const { index, policy } = this.#steps[this.#position]!
      if (!this.#takesPart(index)) continue
      host.sandbox.skipped(policy.instance)
      host.onHook({ policy, hook, ran: false, duration: 0, operations: none, error: undefined })
    }
    const step = this.#steps[position]
    if (hook === 'onResponse') applyPrepared(host.facts, step?.index ?? 0)
    if (step === undefined) return
    this.#position = position + 1
    if (hook === 'onRequest' || hook === 'onConnect') host.reached = step.index + 1
  }

  #turnOf({ policy, index }: Step, verdict: Verdict): Turn {
    const { host, hook } = this
    if (verdict.kind === 'failed') return new PosternError(verdict.code, verdict.message, { plugin: policy.plugin })
    const turn = applyOperations(host.facts, hook, policy, index, verdict.operations)
    if (turn instanceof PosternError) host.sandbox.refused(this, turn.message)
    return turn
  }
}

/** One turn of a walk's call. */
class WalkStep implements HookStep {
  readonly instance: number
  readonly #walk: Walk<unknown>
  readonly #member: number

  constructor(walk: Walk<unknown>, member: number) {
    this.instance = walk.run.members[member]!.instance
    this.#walk = walk
    this.#member = member
  }

  get input(): string {
    const { run, host } = this.#walk
    return run.inputOf(this.#member, host.facts)
  }
}

export function isTriggered({ facts }: HookFlow, hook: HookName, { when }: Policy): boolean {
  // A probe has no client that could match.
  if (when === undefined || hook === 'checkHealth') return true
  const isOfResponse = hook === 'onResponse' || hook === 'onResponseBody'
  return when.matches(facts) && (!isOfResponse || when.takesResponse(facts.response))
}

/** Adds a call to those that the flow is waiting for. */
function addAwaited(flow: HookFlow, call: AwaitedCall): void {
  call.next = flow.awaited
  flow.awaited = call
}

/** Removes a call from them. */
function removeAwaited(flow: HookFlow, call: AwaitedCall): void {
  if (flow.awaited === call) {
    flow.awaited = call.next
    return
  }
  let before = flow.awaited
  while (before !== undefined && before.next !== call) before = before.next
  if (before !== undefined) before.next = call.next
}

const none: readonly (readonly string[])[] = []
