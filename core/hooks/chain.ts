// The global of the same name is a getter, and every step of every hook asks for the time.
import { performance } from 'node:perf_hooks'
import type { Health } from '../../sdk/health.ts'
import { type HookName, points } from '../../sdk/points.ts'
import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import { ABSENT } from '../grants/operation.ts'
import type { HookCall, HookStep, Sandbox, Verdict } from '../sandbox/plugin.ts'
import { encodeField, UNIT } from '../sandbox/wire.ts'
import { applyOperations, type WritableFacts } from './operations.ts'
import type { Policy } from './policy.ts'
import { applyPrepared, isAwaitedBy } from './prepared.ts'
import type { BackendFacts, BodyNeed, FieldReader, FlowFacts } from './scopes.ts'
import { findSegments } from './segments.ts'

/** What the hook engine needs of a flow: facts to read and write, the sandbox of its plugins, and where results go. */
export interface HookFlow {
  readonly facts: FlowFacts & WritableFacts
  readonly sandbox: Sandbox
  /** After the end only hooks of kind *observe* run. */
  readonly ended: boolean
  /** How many policies of the chain have had their turn: the others get no later hook either. */
  reached: number
  /** The calls whose results the flow is waiting for: on an early response `onRequestBody` runs beside `onResponse`. */
  awaited: AwaitedCall | undefined
  /** A policy has had its turn in a hook, or was skipped because its trigger (`when`) did not match. */
  onHook(result: HookResult): void
  /** Holds a body until as much of it has arrived as a policy asked for; an error when it is too large. */
  hold?(need: BodyNeed, policy: Policy, done: (error: PosternError | undefined) => void): void
  /** A policy replaces the response while it passes back through the chain. */
  replaceResponse(by: Reply | PosternError, policy: Policy): void
}

/** A call under way, and the next one of its flow: a list without an object for each flow. */
export interface AwaitedCall extends HookCall {
  next: AwaitedCall | undefined
}

/** Cancels every call that the flow is waiting for: their results would come too late. */
export function cancelAwaited(flow: HookFlow): void {
  let call = flow.awaited
  flow.awaited = undefined
  for (; call !== undefined; call = call.next) flow.sandbox.cancel(call)
}

/** One policy's turn in one hook. */
export interface HookResult {
  readonly policy: Policy
  readonly hook: HookName
  /** Whether its code ran; else its trigger (`when`) did not match, and the rest is empty. */
  readonly ran: boolean
  /** Milliseconds, waiting for its turn in the sandbox and for grants included. */
  readonly duration: number
  /**
   * The operations it requested, applied unless there is an error: each a list of strings, the first a code of `wire.op`.
   * Those on response headers that `onRequest` requests are applied when there is a response.
   */
  readonly operations: readonly (readonly string[])[]
  /** Why it failed, or why its operations were refused; `onFailure` of the policy decides what follows. */
  readonly error: PosternError | undefined
}

/** What one policy decided: a reply, the index of a backend, its health, an error that rejects, or `undefined` to continue. */
type Turn = Reply | PosternError | Health | number | undefined

interface Step {
  readonly policy: Policy
  /** Index in the chain, which is the order of the configuration. */
  readonly index: number
  readonly readers: readonly FieldReader[]
  /** Whether it may cross into the sandbox together with the step before it: see `findSegments`. */
  readonly joins: boolean
}

/** Policies in the order in which they run, sorted by hook when the configuration is loaded. */
export interface Chain {
  readonly length: number
  readonly steps: Readonly<Record<HookName, readonly Step[]>>
}

export function compileChain(policies: readonly Policy[]): Chain {
  const stepsOf = (hook: HookName): readonly Step[] => {
    const steps = policies.flatMap((policy, index) => {
      const readers = policy.readers[hook]
      return readers === undefined ? [] : [{ policy, index, readers }]
    })
    if (points[hook].reversed) steps.reverse()
    const joins = findSegments(
      hook,
      steps.map(({ policy }) => policy),
    )
    return steps.map((step, i) => ({ ...step, joins: joins[i]! }))
  }
  return {
    length: policies.length,
    steps: {
      onConnect: stepsOf('onConnect'),
      onRequest: stepsOf('onRequest'),
      onRequestBody: stepsOf('onRequestBody'),
      selectBackend: stepsOf('selectBackend'),
      onResponse: stepsOf('onResponse'),
      onResponseBody: stepsOf('onResponseBody'),
      checkHealth: stepsOf('checkHealth'),
      onClose: stepsOf('onClose'),
      onDisconnect: stepsOf('onDisconnect'),
    },
  }
}

/** *first*: asks the policies from index `from` on, in order, until one replies or rejects. */
export function ask(
  flow: HookFlow,
  hook: 'onConnect' | 'onRequest',
  chain: Chain,
  from: number,
  done: (result: Reply | PosternError | undefined, by: Policy | undefined) => void,
): void {
  if (chain.steps[hook].length === 0) {
    flow.reached = chain.length
    return done(undefined, undefined)
  }
  new Walk(flow, hook, chain, (index) => index >= from, {
    onTurn: (turn, policy) => {
      if (turn === undefined) return true
      done(turn as Reply | PosternError, policy)
      return false
    },
    onEnd: () => {
      flow.reached = chain.length
      done(undefined, undefined)
    },
  }).next()
}

/** *first*: asks the policies that have had their turn for a backend among the flow's candidates. */
export function choose(
  flow: HookFlow,
  chain: Chain,
  done: (result: BackendFacts | PosternError | undefined) => void,
): void {
  new Walk(flow, 'selectBackend', chain, (index) => index < flow.reached, {
    onTurn: (turn) => {
      if (turn === undefined) return true
      done(typeof turn === 'number' ? flow.facts.candidates[turn] : (turn as PosternError))
      return false
    },
    onEnd: () => done(undefined),
  }).next()
}

/**
 * *reduce*, reversed: every policy that has had its turn may change the response, or replace it for the next ones. What it
 * prepared in `onRequest` comes first.
 */
export function pass(flow: HookFlow, chain: Chain, done: () => void): void {
  new Walk(flow, 'onResponse', chain, (index) => index < flow.reached, {
    onTurn: (turn, policy) => {
      if (turn !== undefined) flow.replaceResponse(turn as Reply | PosternError, policy)
      return true
    },
    onEnd: done,
  }).next()
}

/** *reduce*: every policy that has had its turn may change a chunk of a body; the flow holds the changed chunk. */
export function change(
  flow: HookFlow,
  hook: 'onRequestBody' | 'onResponseBody',
  chain: Chain,
  done: (error: PosternError | undefined) => void,
): void {
  new Walk(flow, hook, chain, (index) => index < flow.reached, {
    onTurn: (turn) => {
      if (turn === undefined) return true
      done(turn as PosternError)
      return false
    },
    onEnd: () => done(undefined),
  }).next()
}

/** Whether a policy that has had its turn will be given the chunks of this body. Asked once its head is complete. */
export function willChange(flow: HookFlow, hook: 'onRequestBody' | 'onResponseBody', chain: Chain): boolean {
  return chain.steps[hook].some(({ index, policy }) => index < flow.reached && isTriggered(flow, hook, policy))
}

/** *first*: asks the policies of an upstream for the health of a backend, in order, until one gives a verdict. */
export function examine(
  flow: HookFlow,
  chain: Chain,
  done: (result: Health | PosternError | undefined, by: Policy | undefined) => void,
): void {
  new Walk(flow, 'checkHealth', chain, () => true, {
    onTurn: (turn, policy) => {
      if (turn === undefined) return true
      done(turn as Health | PosternError, policy)
      return false
    },
    onEnd: () => done(undefined, undefined),
  }).next()
}

/** *observe*: tells every policy that has had its turn that the flow, or an L7 connection, is over. */
export function tell(
  flow: HookFlow,
  chain: Chain | undefined,
  done: () => void,
  hook: 'onClose' | 'onDisconnect' = 'onClose',
): void {
  if (chain === undefined || chain.steps[hook].length === 0) return done()
  new Walk(flow, hook, chain, (index) => index < flow.reached, { onTurn: () => true, onEnd: done }).next()
}

function isTriggered({ facts }: HookFlow, hook: HookName, { when }: Policy): boolean {
  if (when === undefined) return true
  const isOfResponse = hook === 'onResponse' || hook === 'onResponseBody'
  return when.matches(facts) && (!isOfResponse || when.takesResponse(facts.response))
}

interface WalkHandler {
  /** A policy has had its turn; true to go on to the next one. */
  onTurn(turn: Turn, policy: Policy): boolean
  /** No policy is left. */
  onEnd(): void
}

/** One hook of one flow: calls the policies of its chain, one after the other. */
class Walk {
  readonly flow: HookFlow
  readonly hook: HookName
  readonly #steps: readonly Step[]
  readonly #takesPart: (index: number) => boolean
  readonly #handler: WalkHandler
  #position = 0

  constructor(
    flow: HookFlow,
    hook: HookName,
    chain: Chain,
    takesPart: (index: number) => boolean,
    handler: WalkHandler,
  ) {
    this.flow = flow
    this.hook = hook
    this.#steps = chain.steps[hook]
    this.#takesPart = takesPart
    this.#handler = handler
  }

  /** Calls the next policy whose trigger matches, together with those after it that may cross with it. */
  next(): void {
    const { flow } = this
    const segment: number[] = []
    for (let position = this.#position; position < this.#steps.length; position++) {
      const { index, policy, joins } = this.#steps[position]!
      if (segment.length > 0 && (!joins || (this.hook === 'onResponse' && isAwaitedBy(policy, index, flow.facts))))
        break
      if (segment.length === 0 && this.hook === 'onResponse') applyPrepared(flow.facts, index)
      if (this.#takesPart(index) && isTriggered(flow, this.hook, policy)) segment.push(position)
    }
    this.#arrive(segment[0] ?? this.#steps.length)
    if (segment.length === 0) return this.#handler.onEnd()
    const { policy } = this.#steps[segment[0]!]!
    const need = policy.bodies[this.hook]
    if (need === undefined || flow.hold === undefined) return this.#call(segment)
    flow.hold(need, policy, (error) => {
      if (error === undefined) this.#call(segment)
      else if (this.#handler.onTurn(policy.onFailure === 'continue' ? undefined : error, policy)) this.next()
    })
  }

  #call(segment: readonly number[]): void {
    const { flow } = this
    const steps: HookStep[] = []
    for (const position of segment) {
      const step = this.#steps[position]!
      steps.push({ instance: step.policy.instance, input: inputOf(flow, step) })
    }
    const call = new Call(this, segment, steps)
    addAwaited(flow, call)
    flow.sandbox.call(call)
  }

  /** One step of a call is over; true when the next step of the same call runs, false when its other steps must not. */
  settled(call: Call, number: number, verdict: Verdict, duration: number): boolean {
    const { flow, hook } = this
    if (flow.ended && points[hook].kind !== 'observe') return false
    removeAwaited(flow, call)
    const step = this.#steps[call.segment[number]!]!
    const turn = this.#turnOf(call, step, verdict)
    const error = turn instanceof PosternError ? turn : undefined
    const operations = verdict.kind === 'done' ? verdict.operations : none
    flow.onHook({ policy: step.policy, hook, ran: true, duration, operations, error })
    const effective = error !== undefined && step.policy.onFailure === 'continue' ? undefined : turn
    if (!this.#handler.onTurn(effective, step.policy)) return false
    const following = call.segment[number + 1]
    // The response was replaced, so the input taken for the following steps is stale: they need a new call.
    const isStale = effective !== undefined && points[hook].kind !== 'observe'
    if (following === undefined || isStale) {
      this.next()
      return false
    }
    addAwaited(flow, call)
    this.#arrive(following)
    return true
  }

  /** Moves on to this position: the policies before it that are not in a call are recorded as skipped. */
  #arrive(position: number): void {
    const { flow } = this
    for (; this.#position < position; this.#position++) {
      const { index, policy } = this.#steps[this.#position]!
      if (!this.#takesPart(index)) continue
      flow.sandbox.skipped(policy.instance)
      flow.onHook({ policy, hook: this.hook, ran: false, duration: 0, operations: none, error: undefined })
    }
    const step = this.#steps[position]
    if (this.hook === 'onResponse') applyPrepared(flow.facts, step?.index ?? 0)
    if (step === undefined) return
    this.#position = position + 1
    if (this.hook === 'onRequest' || this.hook === 'onConnect') flow.reached = step.index + 1
  }

  #turnOf(call: Call, { policy, index }: Step, verdict: Verdict): Turn {
    const { flow, hook } = this
    if (verdict.kind === 'failed') return new PosternError(verdict.code, verdict.message, { plugin: policy.plugin })
    const turn = applyOperations(flow.facts, hook, policy, index, verdict.operations)
    if (turn instanceof PosternError) flow.sandbox.refused(call, turn.message)
    return turn
  }
}

/** The turns of the policies of a segment, as the sandbox sees them. */
class Call implements AwaitedCall {
  readonly hook: HookName
  readonly flow: string
  readonly steps: readonly HookStep[]
  /** Positions of its steps in the walk. */
  readonly segment: readonly number[]
  pending: object | undefined = undefined
  next: AwaitedCall | undefined = undefined
  readonly #walk: Walk
  #since = performance.now()

  constructor(walk: Walk, segment: readonly number[], steps: readonly HookStep[]) {
    this.#walk = walk
    this.segment = segment
    this.hook = walk.hook
    this.flow = walk.flow.facts.id
    this.steps = steps
  }

  get backend(): string | undefined {
    return this.hook === 'checkHealth' ? this.#walk.flow.facts.backend?.address : undefined
  }

  settle(step: number, verdict: Verdict): boolean {
    const now = performance.now()
    const duration = now - this.#since
    this.#since = now
    return this.#walk.settled(this, step, verdict, duration)
  }
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

const stateless = { L4: `L4${UNIT}${ABSENT}`, L7: `L7${UNIT}${ABSENT}` } as const

function inputOf({ facts }: HookFlow, { index, readers }: Step): string {
  const state = facts.states[index]
  let input = state === undefined ? stateless[facts.layer] : facts.layer + UNIT + encodeField(state)
  for (const read of readers) input += UNIT + read(facts)
  return input
}
