import type { Health } from '../../sdk/health.ts'
import type { HookName } from '../../sdk/points.ts'
import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import { ABSENT } from '../grants/operation.ts'
import { bytesOf, fieldProblem, writeBounds } from '../http/field-problem.ts'
import type { Fields } from '../http/fields.ts'
import { bounds } from '../sandbox/bounds.ts'
import { op } from '../sandbox/wire.ts'
import type { Policy } from './policy.ts'
import { type Prepared, writeResponseHeader } from './prepared.ts'
import type { BackendFacts } from './scopes.ts'

/** Where the operations of a hook take effect. */
export interface WritableFacts {
  readonly states: (string | undefined)[]
  readonly candidates: readonly BackendFacts[]
  /** What goes upstream; `undefined` on L4. */
  readonly requestFields: Fields | undefined
  /** What goes to the client, once there is a response. */
  readonly responseFields: Fields | undefined
  /** What policies have prepared for the response, which is still to come. */
  prepared?: Prepared | undefined
  consumer: string | undefined
  /** Replaces the body, or the chunk of one, that the hook was given. */
  replaceBody?(hook: HookName, bytes: Uint8Array): void
  /** Why this flow cannot go to that upstream; `undefined` when it can. */
  upstreamProblem(name: string): string | undefined
  useUpstream(name: string): void
}

type Operation = readonly string[]

/**
 * Checks every operation of a hook against what the policy may write, then applies them all. If one is refused, none is
 * applied and the hook has failed.
 *
 * @returns the reply, the index of the chosen backend, the health of a backend, or the error; `undefined`: continue
 */
export function applyOperations(
  flow: WritableFacts,
  hook: HookName,
  policy: Policy,
  index: number,
  operations: readonly Operation[],
): Reply | number | Health | PosternError | undefined {
  const problem = refuseAny(flow, hook, policy, operations)
  if (problem !== undefined) {
    return new PosternError('PE', `policy "${policy.name}", ${hook}: ${problem}`, { plugin: policy.plugin })
  }
  let result: Reply | number | Health | undefined
  let prepared: Operation[] | undefined
  for (const operation of operations) {
    // By index: destructuring would iterate over the list.
    const code = operation[0]
    const first = operation[1] ?? ''
    const second = operation[2] ?? ''
    if (code === op.setHeader) flow.requestFields?.set(first.toLowerCase(), second)
    else if (code === op.removeHeader) flow.requestFields?.delete(first.toLowerCase())
    else if (isOfResponseHeader(code)) {
      if (hook === 'onResponse') writeResponseHeader(flow.responseFields, operation)
      else if (prepared === undefined) prepared = [operation]
      else prepared.push(operation)
    } else if (code === op.useUpstream) flow.useUpstream(first)
    else if (code === op.consumer) flow.consumer = present(first)
    else if (code === op.state) flow.states[index] = present(first)
    else if (code === op.body) flow.replaceBody?.(hook, Buffer.from(first, 'base64'))
    else if (code === op.backend) result = Number(first)
    else if (code === op.health) result = decodeHealth(operation)
    else if (code === op.reply) result = decodeReply(operation)
  }
  if (prepared !== undefined) {
    flow.prepared = { policy, index, operations: prepared, names: undefined, before: flow.prepared }
  }
  return result
}

function isOfResponseHeader(code: string | undefined): boolean {
  return code === op.setResponseHeader || code === op.appendResponseHeader || code === op.removeResponseHeader
}

function refuseAny(
  flow: WritableFacts,
  hook: HookName,
  policy: Policy,
  operations: readonly Operation[],
): string | undefined {
  let bytes = 0
  for (const operation of operations) {
    const problem = refuse(flow, hook, policy, operation)
    if (problem !== undefined) return problem
    bytes += headerBytes(operation)
  }
  return bytes > writeBounds.headers
    ? `it writes ${bytes} bytes of headers; one hook may write at most ${writeBounds.headers}`
    : undefined
}

/** Why an operation is refused, as a message for the plugin's author; `undefined` when it is allowed. */
function refuse(flow: WritableFacts, hook: HookName, policy: Policy, operation: Operation): string | undefined {
  const first = operation[1] ?? ''
  const second = operation[2] ?? ''
  switch (operation[0]) {
    case op.setHeader:
    case op.removeHeader: {
      if (hook !== 'onRequest') return `request headers can be written in onRequest only`
      const name = first.toLowerCase()
      if (!policy.writes.header(name))
        return `it writes the request header "${name}": declare writes: ['header:${name}']`
      return fieldProblem(name, second)
    }
    case op.setResponseHeader:
    case op.appendResponseHeader:
    case op.removeResponseHeader: {
      if (hook !== 'onRequest' && hook !== 'onResponse')
        return `response headers can be written in onRequest and onResponse only`
      const name = first.toLowerCase()
      if (!policy.writes.responseHeader(name)) {
        return `it writes the response header "${name}": declare writes: ['response.header:${name}']`
      }
      return fieldProblem(name, second)
    }
    case op.useUpstream:
      if (hook !== 'onRequest' && hook !== 'onConnect')
        return `the upstream can be chosen in onRequest and onConnect only`
      if (!policy.writes.upstream) return `it chooses the upstream: declare writes: ['upstream']`
      return flow.upstreamProblem(first)
    case op.consumer:
      if (hook !== 'onRequest') return `the consumer can be set in onRequest only`
      if (!policy.writes.consumer) return `it sets the consumer: declare writes: ['consumer']`
      return tooLong('the name of a consumer', first, bounds.consumer)
    case op.backend:
      return hook === 'selectBackend' && Number(first) in flow.candidates
        ? undefined
        : `it chooses a backend that is not a candidate`
    case op.health:
      return refuseHealth(hook, operation)
    case op.body:
      return refuseBody(hook, policy)
    case op.reply:
      return refuseReply(hook, operation)
    case op.state:
      return tooLong('a state', first, bounds.state)
    default:
      return `unknown operation`
  }
}

function tooLong(what: string, { length }: string, most: number): string | undefined {
  return length > most ? `${what} has at most ${most} characters, not ${length}` : undefined
}

function refuseBody(hook: HookName, { writes }: Policy): string | undefined {
  if (hook === 'onRequest' || hook === 'onRequestBody') {
    return writes.body ? undefined : `it writes the request's body: declare writes: ['body']`
  }
  if (hook === 'onResponse' || hook === 'onResponseBody') {
    return writes.responseBody ? undefined : `it writes the response's body: declare writes: ['response.body']`
  }
  return `${hook} has no body to write`
}

function refuseHealth(hook: HookName, [, , weight = '']: Operation): string | undefined {
  if (hook !== 'checkHealth') return `${hook} cannot set the health of a backend`
  return weight === ABSENT || /^(?:[1-9]\d{0,2}|1000)$/.test(weight) ? undefined : `a weight must be 1 to 1,000`
}

function refuseReply(hook: HookName, operation: Operation): string | undefined {
  if (hook !== 'onConnect' && hook !== 'onRequest' && hook !== 'onResponse') return `${hook} cannot reply`
  const status = Number(operation[1])
  if (!Number.isInteger(status) || status < 200 || status > 599) return `a reply's status must be 200 to 599`
  for (let i = 4; i < operation.length; i += 2) {
    const problem = fieldProblem(operation[i]!.toLowerCase(), operation[i + 1] ?? '')
    if (problem !== undefined) return problem
  }
  return undefined
}

function headerBytes(operation: Operation): number {
  const code = operation[0]
  let from = operation.length
  // A flow keeps what is prepared for its response, so the names to remove from it count too.
  if (code === op.setHeader || isOfResponseHeader(code)) from = 1
  else if (code === op.reply) from = 4
  let bytes = 0
  for (let i = from; i < operation.length; i++) bytes += bytesOf(operation[i]!)
  return bytes
}

function present(argument: string): string | undefined {
  return argument === ABSENT ? undefined : argument
}

function decodeHealth([, healthy, weight = ABSENT, why = ABSENT]: Operation): Health {
  return {
    healthy: healthy === '1',
    weight: weight === ABSENT ? undefined : Number(weight),
    why: present(why)?.slice(0, 500),
  }
}

function decodeReply(operation: Operation): Reply {
  const headers: [string, string][] = []
  for (let i = 4; i < operation.length; i += 2) headers.push([operation[i]!.toLowerCase(), operation[i + 1] ?? ''])
  return { reply: true, status: Number(operation[1]), body: operation[2] ?? '', reason: operation[3] ?? '', headers }
}
