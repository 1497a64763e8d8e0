import type { RetryCause } from '../config/types.ts'
import type { PosternError } from '../errors.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { readStatus } from '../http/grpc.ts'
import { idempotent } from '../http/methods.ts'
import type { Fate } from '../http/upstream-exchange.ts'
import type { Attempts } from '../upstream/attempt.ts'
import type { Bodies } from './bodies.ts'
import type { RequestFacts } from './request-facts.ts'

/** What decides whether a request is sent again, and has to be prepared for it. */
export interface Repeatable {
  readonly client: Exchange
  readonly facts: RequestFacts
  readonly bodies: Bodies
  readonly attempts: Attempts
}

const causes: Readonly<Record<string, RetryCause>> = { UC: 'reset', UR: 'reset', UT: 'timeout' }

/**
 * Prepares a request to be sent again after an attempt that failed before its response. What no backend has processed goes to the
 * next one whatever its method is; the rest as RFC 9110 §9.2.2 allows, and `retry` of the upstream asks for.
 *
 * @returns false when it is not sent again
 */
export function repeatsAfter({ code }: PosternError, fate: Fate | undefined, request: Repeatable): boolean {
  const { client, bodies, attempts } = request
  if (code === 'UF') return attempts.areLeft && !bodies.moved
  if (fate === 'unprocessed') return attempts.areLeft && rewinds(request)
  if (fate === 'stale') {
    if (!idempotent.has(client.method) || !rewinds(request)) return false
    attempts.forgive()
    return true
  }
  return repeatsFor(causes[code], request)
}

/** Prepares a request to be sent again instead of passing on the response that has this head. False when that is passed on. */
export function repeatsInstead(status: number, fields: Fields, request: Repeatable): boolean {
  if (repeatsFor(status, request)) return true
  const { grpc } = request.facts
  const result = grpc === undefined ? undefined : readStatus(fields)
  return result !== undefined && repeatsFor(`grpc:${result}`, request)
}

/** Whether the body is worth keeping while it is sent for the first time. */
export function isBodyKept({ client, bodies, attempts }: Repeatable): boolean {
  return bodies.isRequestRepeatable || (attempts.areKept && mayRepeat(client, attempts))
}

function repeatsFor(cause: RetryCause | undefined, request: Repeatable): boolean {
  const { client, attempts, facts } = request
  if (cause === undefined || !attempts.follow(cause) || !mayRepeat(client, attempts)) return false
  if (!rewinds(request)) return false
  attempts.avoid(facts.backend!)
  return true
}

function mayRepeat({ method }: Exchange, attempts: Attempts): boolean {
  return idempotent.has(method) || attempts.mayRepeat(method)
}

function rewinds({ client, bodies }: Repeatable): boolean {
  if (!bodies.rewind()) return false
  // The client has been sent its 100.
  if (!client.awaitsContinue) client.fields.delete('expect')
  return true
}
