import type { Health } from '../../sdk/health.ts'
import { type HookName, points } from '../../sdk/points.ts'
import type { Reply } from '../../sdk/reply.ts'
import type { PosternError } from '../errors.ts'
import type { HookCall, Sandbox } from '../sandbox/plugin.ts'
import type { WritableFacts } from './operations.ts'
import type { Policy } from './policy.ts'
import { findRuns, RunFamily } from './runs.ts'
import type { BackendFacts, BodyNeed, FlowFacts } from './scopes.ts'
import { afterwards, isTriggered, type Step, Walk, type WalkKind } from './walk.ts'

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

/** Policies in the order in which they run, sorted by hook when the configuration is loaded. */
export interface Chain {
  readonly length: number
  /** Index of the first policy whose `onConnect` needs the TLS handshake; `length` when none does. */
  readonly handshakeAt: number
  readonly steps: Readonly<Record<HookName, readonly Step[]>>
}

export function compileChain(policies: readonly Policy[]): Chain {
  const stepsOf = (hook: HookName): readonly Step[] => {
    const steps = policies.flatMap((policy, index) => {
      const readers = policy.readers[hook]
      return readers === undefined ? [] : [{ policy, index, readers }]
    })
    if (points[hook].reversed) steps.reverse()
    const joins = findRuns(
      hook,
      steps.map(({ policy }) => policy),
    )
    let family: RunFamily | undefined
    return steps.map((step, i) => {
      if (family === undefined || !joins[i]) {
        let end = i + 1
        while (joins[end]) end++
        family = new RunFamily(hook, i, steps.slice(i, end))
      }
      return { ...step, family, bit: 1 << (i - family.first) }
    })
  }
  const handshakeAt = policies.findIndex(
    ({ needsHandshake, readers }) => needsHandshake && readers.onConnect !== undefined,
  )
  return {
    length: policies.length,
    handshakeAt: handshakeAt === -1 ? policies.length : handshakeAt,
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

/**
 * *first*: asks the policies from index `from` on, in order, until one replies or rejects.
 *
 * @param to index of the first one that is not asked yet. Default: all are.
 */
export function ask(
  flow: HookFlow,
  hook: 'onConnect' | 'onRequest',
  chain: Chain,
  from: number,
  done: (result: Reply | PosternError | undefined, by: Policy | undefined) => void,
  to: number = chain.length,
): void {
  if (chain.steps[hook].length === 0) {
    flow.reached = to
    return done(undefined, undefined)
  }
  new Walk(flow, hook, chain, asking, from, done, to).goOn()
}

const asking: WalkKind<Parameters<typeof ask>[4]> = {
  onTurn: ({ done }, turn, policy) => {
    if (turn === undefined) return true
    done(turn as Reply | PosternError, policy)
    return false
  },
  onEnd: ({ host, to, done }) => {
    host.reached = to
    done(undefined, undefined)
  },
}

/** *first*: asks the policies that have had their turn for a backend among the flow's candidates. */
export function choose(
  flow: HookFlow,
  chain: Chain,
  done: (result: BackendFacts | PosternError | undefined) => void,
): void {
  new Walk(flow, 'selectBackend', chain, choosing, afterwards, done).goOn()
}

const choosing: WalkKind<Parameters<typeof choose>[2]> = {
  onTurn: ({ host, done }, turn) => {
    if (turn === undefined) return true
    done(typeof turn === 'number' ? host.facts.candidates[turn] : (turn as PosternError))
    return false
  },
  onEnd: ({ done }) => done(undefined),
}

/**
 * *reduce*, reversed: every policy that has had its turn may change the response, or replace it for the next ones. What it
 * prepared in `onRequest` comes first.
 */
export function pass(flow: HookFlow, chain: Chain, done: () => void): void {
  new Walk(flow, 'onResponse', chain, passing, afterwards, done).goOn()
}

const passing: WalkKind<() => void> = {
  onTurn: ({ host }, turn, policy) => {
    if (turn !== undefined) host.replaceResponse(turn as Reply | PosternError, policy)
    return true
  },
  onEnd: ({ done }) => done(),
}

/** *reduce*: every policy that has had its turn may change a chunk of a body; the flow holds the changed chunk. */
export function change(
  flow: HookFlow,
  hook: 'onRequestBody' | 'onResponseBody',
  chain: Chain,
  done: (error: PosternError | undefined) => void,
): void {
  new Walk(flow, hook, chain, changing, afterwards, done).goOn()
}

const changing: WalkKind<Parameters<typeof change>[3]> = {
  onTurn: ({ done }, turn) => {
    if (turn === undefined) return true
    done(turn as PosternError)
    return false
  },
  onEnd: ({ done }) => done(undefined),
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
  new Walk(flow, 'checkHealth', chain, examining, 0, done).goOn()
}

const examining: WalkKind<Parameters<typeof examine>[2]> = {
  onTurn: ({ done }, turn, policy) => {
    if (turn === undefined) return true
    done(turn as Health | PosternError, policy)
    return false
  },
  onEnd: ({ done }) => done(undefined, undefined),
}

/** *observe*: tells every policy that has had its turn that the flow, or an L7 connection, is over. */
export function tell(
  flow: HookFlow,
  chain: Chain | undefined,
  done: () => void,
  hook: 'onClose' | 'onDisconnect' = 'onClose',
): void {
  if (chain === undefined || chain.steps[hook].length === 0) return done()
  new Walk(flow, hook, chain, telling, afterwards, done).goOn()
}

const telling: WalkKind<() => void> = { onTurn: () => true, onEnd: ({ done }) => done() }
