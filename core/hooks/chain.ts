import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import type { HookCall, Sandbox, Verdict } from '../sandbox/plugin.ts'
import { encodeField, UNIT } from '../sandbox/wire.ts'
import type { BackendFacts, FieldReader, FlowFacts } from './fields.ts'
import { applyOperations, type WritableFlow } from './operations.ts'
import { type HookName, points } from './points.ts'
import type { Policy } from './policy.ts'

/** What the engine needs of a flow: facts to read, places to write, and where its plugins run. */
export interface HookFlow extends FlowFacts, WritableFlow {
  readonly sandbox: Sandbox
  /** After the end no hook runs but `onClose`. */
  readonly ended: boolean
  /** What the policies of the chain left for their later hooks, by place in the chain. */
  readonly states: (string | undefined)[]
  /** How many policies of the chain have had their turn. */
  reached: number
  /** A hook settled: for times and logs. `error` is what its `onFailure` judges. */
  onHook(policy: Policy, hook: HookName, duration: number, error: PosternError | undefined): void
  /** The call that the flow is waiting for. */
  pending: HookCall | undefined
  /** The response is replaced while it walks back up. */
  replaceResponse(by: Reply | PosternError, policy: Policy): void
}

/** What one policy's turn came to: a reply, the index of a backend, an error that rejects, or nothing: go on. */
type Turn = Reply | PosternError | number | undefined

interface Step {
  readonly policy: Policy
  /** Place in the chain, which is the order in which the policies are written. */
  readonly index: number
  readonly readers: readonly FieldReader[]
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
    return points[hook].reversed ? steps.reverse() : steps
  }
  return {
    length: policies.length,
    steps: {
      onConnect: stepsOf('onConnect'),
      onRequest: stepsOf('onRequest'),
      selectBackend: stepsOf('selectBackend'),
      onResponse: stepsOf('onResponse'),
      onClose: stepsOf('onClose'),
    },
  }
}

/** *first*: asks the policies from place `from` on, in order, until one replies. */
export function ask(
  flow: HookFlow,
  hook: 'onConnect' | 'onRequest',
  chain: Chain,
  from: number,
  done: (result: Reply | PosternError | undefined, by: Policy | undefined) => void,
): void {
  new Walk(
    flow,
    hook,
    chain,
    (index) => index >= from,
    (walk, turn, policy) => {
      if (turn !== undefined) return done(turn as Reply | PosternError, policy)
      if (walk.next()) return
      flow.reached = chain.length
      done(undefined, undefined)
    },
  ).start()
}

/** *first*: asks the policies that have had their turn for a backend among the flow's candidates. */
export function choose(
  flow: HookFlow,
  chain: Chain,
  done: (result: BackendFacts | PosternError | undefined) => void,
): void {
  new Walk(
    flow,
    'selectBackend',
    chain,
    (index) => index < flow.reached,
    (walk, turn) => {
      if (typeof turn === 'number') return done(flow.candidates[turn])
      if (turn !== undefined) return done(turn as PosternError)
      if (!walk.next()) done(undefined)
    },
  ).start()
}

/** *reduce*, reversed: every policy that has had its turn may change the response, or replace it for the next ones. */
export function pass(flow: HookFlow, chain: Chain, done: () => void): void {
  new Walk(
    flow,
    'onResponse',
    chain,
    (index) => index < flow.reached,
    (walk, turn, policy) => {
      if (turn !== undefined) flow.replaceResponse(turn as Reply | PosternError, policy!)
      if (!walk.next()) done()
    },
  ).start()
}

/** *observe*: tells every policy that has had its turn that the flow is over. */
export function tell(flow: HookFlow, chain: Chain, done: () => void): void {
  new Walk(
    flow,
    'onClose',
    chain,
    (index) => index < flow.reached,
    (walk) => {
      if (!walk.next()) done()
    },
  ).start()
}

/** One hook on its way along the chain of one flow. */
class Walk {
  readonly flow: HookFlow
  readonly hook: HookName
  readonly #steps: readonly Step[]
  readonly #takesPart: (index: number) => boolean
  readonly #onSettled: (walk: Walk, turn: Turn, policy: Policy | undefined) => void
  #position = 0

  constructor(
    flow: HookFlow,
    hook: HookName,
    chain: Chain,
    takesPart: (index: number) => boolean,
    onSettled: (walk: Walk, turn: Turn, policy: Policy | undefined) => void,
  ) {
    this.flow = flow
    this.hook = hook
    this.#steps = chain.steps[hook]
    this.#takesPart = takesPart
    this.#onSettled = onSettled
  }

  start(): void {
    this.#onSettled(this, undefined, undefined)
  }

  /** Calls the next policy; false when there is none left. */
  next(): boolean {
    while (this.#position < this.#steps.length) {
      const step = this.#steps[this.#position++]!
      if (!this.#takesPart(step.index)) continue
      if (this.hook === 'onRequest' || this.hook === 'onConnect') this.flow.reached = step.index + 1
      const call = new Call(this, step)
      this.flow.pending = call
      this.flow.sandbox.call(call)
      return true
    }
    return false
  }

  settled(step: Step, verdict: Verdict, duration: number): void {
    const { flow, hook } = this
    if (flow.ended && hook !== 'onClose') return
    flow.pending = undefined
    const { policy } = step
    const turn =
      verdict.kind === 'done'
        ? applyOperations(flow, hook, policy, step.index, verdict.operations)
        : new PosternError(verdict.code, verdict.message, { plugin: policy.plugin })
    const error = turn instanceof PosternError ? turn : undefined
    flow.onHook(policy, hook, duration, error)
    this.#onSettled(this, error !== undefined && policy.onFailure === 'continue' ? undefined : turn, policy)
  }
}

/** One policy's turn, as the sandbox sees it. */
class Call implements HookCall {
  readonly instance: number
  readonly hook: HookName
  readonly input: string
  readonly #walk: Walk
  readonly #step: Step
  readonly #started = performance.now()

  constructor(walk: Walk, step: Step) {
    this.#walk = walk
    this.#step = step
    this.instance = step.policy.instance
    this.hook = walk.hook
    const { flow } = walk
    let input = flow.layer + UNIT + encodeField(flow.states[step.index])
    for (const read of step.readers) input += UNIT + read(flow)
    this.input = input
  }

  settle(verdict: Verdict): void {
    this.#walk.settled(this.#step, verdict, performance.now() - this.#started)
  }
}
