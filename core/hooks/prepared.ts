import type { Fields } from '../http/fields.ts'
import { op } from '../sandbox/wire.ts'
import type { Policy } from './policy.ts'
import type { FlowFacts } from './scopes.ts'

/** Operations on a response header, each `code, name, value`. */
type HeaderOperation = readonly string[]

/**
 * What a policy prepared in `onRequest` for the response. The ones of a flow are a stack, the last policy's on top: a
 * response passes the chain in reverse order.
 */
export interface Prepared {
  readonly policy: Policy
  /** Index of the policy in the chain. */
  readonly index: number
  /** Checked already, in order. */
  readonly operations: readonly HeaderOperation[]
  /** The headers that they write, in lower case, once an `onResponse` depends on some: there may be a thousand operations. */
  names: ReadonlySet<string> | undefined
  readonly before: Prepared | undefined
}

/** A flow whose policies may have prepared something. */
export interface PreparedFacts extends FlowFacts {
  readonly responseFields: Fields | undefined
  prepared?: Prepared | undefined
}

/**
 * Applies to the response what the policies from the last one down to index `from` have prepared and what was not
 * applied before: to be called before the `onResponse` of the policy at `from`, and with 0 at the end. As for
 * `onResponse`, the trigger of each policy is checked here.
 */
export function applyPrepared(facts: PreparedFacts, from: number): void {
  for (let top = facts.prepared; top !== undefined && top.index >= from; top = top.before) {
    facts.prepared = top.before
    const { when } = top.policy
    if (when !== undefined && !(when.matches(facts) && when.takesResponse(facts.response))) continue
    for (const operation of top.operations) writeResponseHeader(facts.responseFields, operation)
  }
}

/**
 * Whether something that is still to be applied before the `onResponse` of a policy, at `index`, may change what this
 * policy reads or is triggered by. Its input must be read after that.
 */
export function isAwaitedBy(policy: Policy, index: number, { prepared }: PreparedFacts): boolean {
  const { responseReads } = policy
  if (responseReads.length === 0) return false
  for (let one = prepared; one !== undefined && one.index >= index; one = one.before) {
    one.names ??= new Set(one.operations.map(([, name = '']) => name.toLowerCase()))
    for (const name of responseReads) if (name === '*' || one.names.has(name)) return true
  }
  return false
}

/** Performs an operation on the headers of a response. */
export function writeResponseHeader(fields: Fields | undefined, operation: HeaderOperation): void {
  // By index: destructuring would iterate over the list.
  const name = (operation[1] ?? '').toLowerCase()
  const value = operation[2] ?? ''
  if (operation[0] === op.setResponseHeader) fields?.set(name, value)
  else if (operation[0] === op.appendResponseHeader) fields?.append(name, value)
  else fields?.delete(name)
}
