import type { HookName } from '../../sdk/points.ts'
import { ABSENT } from '../grants/operation.ts'
import { applyOperations, type WritableFacts } from '../hooks/operations.ts'
import type { Policy } from '../hooks/policy.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import { Fields } from '../http/fields.ts'
import { op } from '../sandbox/wire.ts'
import type { TestResult } from './test-flow.ts'

/**
 * The result of a hook's operations.
 *
 * @throws {PosternError} for an operation that the gateway would refuse: an undeclared write, a header that no policy
 *   may write.
 */
export function resultOf(
  operations: readonly (readonly string[])[],
  hook: HookName,
  policy: Policy,
  facts: FlowFacts,
): TestResult {
  const verdict = applyOperations(writableFlow(facts), hook, policy, 0, operations)
  if (verdict instanceof Error) throw verdict
  const result: TestResult = {
    requestHeaders: {},
    removedRequestHeaders: [],
    responseHeaders: [],
    removedResponseHeaders: [],
  }
  for (const [code, first = '', second = ''] of operations) {
    const name = first.toLowerCase()
    if (code === op.setHeader) result.requestHeaders[name] = second
    else if (code === op.removeHeader) result.removedRequestHeaders.push(name)
    else if (code === op.setResponseHeader || code === op.appendResponseHeader)
      result.responseHeaders.push([name, second])
    else if (code === op.removeResponseHeader) result.removedResponseHeaders.push(name)
    else if (code === op.useUpstream) result.upstream = first
    else if (code === op.body) result.body = Buffer.from(first, 'base64')
    else if (code === op.consumer) assign(result, 'consumer', first)
    else if (code === op.state) assign(result, 'state', first)
  }
  if (typeof verdict === 'number') result.backend = facts.candidates[verdict]!.id
  else if (verdict !== undefined && 'healthy' in verdict) result.health = verdict
  else if (verdict !== undefined) {
    const { status, headers, body, reason } = verdict
    result.reply = { status, headers: Object.fromEntries(headers), body, reason }
  }
  return result
}

function assign(result: TestResult, key: 'consumer' | 'state', value: string): void {
  if (value === ABSENT) delete result[key]
  else result[key] = value
}

/** Accepts every write, so that only the engine's own checks decide. */
function writableFlow(facts: FlowFacts): WritableFacts {
  return {
    states: [undefined],
    candidates: facts.candidates,
    requestFields: new Fields(),
    responseFields: new Fields(),
    consumer: undefined,
    upstreamProblem: () => undefined,
    useUpstream: () => {},
  }
}
