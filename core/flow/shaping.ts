import { PosternError } from '../errors.ts'
import { type Fields, SharedFields } from '../http/fields.ts'
import { mapBack } from '../shape/map-back.ts'
import type { Destination } from '../shape/rewrite.ts'
import type { TemplateProblem } from '../shape/template.ts'
import type { Backend } from '../upstream/backend.ts'
import type { RequestFacts } from './request-facts.ts'

/** Where a request goes: as its client sent it, or as `rewrite` of its route says. */
export function destinationOf(facts: RequestFacts, backend: Backend): Destination | PosternError {
  const { target } = facts
  const rewrite = facts.route!.shape?.rewrite
  if (rewrite === undefined) return target
  const to = rewrite.apply(facts, target, backend.authority)
  return 'problem' in to ? refused(to) : to
}

/** Applies `headers.request` of the route, before the gateway's own fields are final. */
export function shapeRequest(facts: RequestFacts): PosternError | undefined {
  const { fields } = facts
  const edits = facts.route!.shape?.request
  if (edits === undefined) return undefined
  const problem = edits.apply(facts, fields)
  if (problem !== undefined) return refused(problem)
  if (edits.names.has('x-real-ip') && fields.shared !== undefined) fields.shared = without(fields.shared, 'x-real-ip')
  return undefined
}

/** Applies `headers.response` of the route. A value that no header can have is left out: the answer is more than it. */
export function shapeResponse(facts: RequestFacts): void {
  facts.route?.shape?.response?.apply(facts, facts.response!.fields)
}

/** Policies see the client's Host again, once the request has been sent with that of its route. */
export function restoreHost({ route, target, fields }: RequestFacts): void {
  if (route?.shape?.rewrite !== undefined && target.authority !== '') fields.put('host', target.authority)
}

/** What the response says of its own place is mapped back. */
export function mapResponse(facts: RequestFacts, fields: Fields): void {
  const rewrite = facts.route!.shape?.rewrite
  if (rewrite === undefined) return
  const { backend, target, hop } = facts
  const { authority: address, tls } = backend!
  restoreHost(facts)
  mapBack(facts, fields, {
    client: { scheme: hop.scheme, authority: hop.authority },
    backend: {
      scheme: tls === undefined ? 'http' : 'https',
      authorities: rewrite.host === 'client' ? [address, target.authority] : [address, rewrite.host],
    },
    rewrite,
  })
}

/** The text is for the log: a client must not learn what a route makes of its path. */
function refused({ problem }: TemplateProblem): PosternError {
  return new PosternError('PN', problem)
}

function without({ list }: SharedFields, name: string): SharedFields {
  return new SharedFields(list.filter((_, index) => list[index - (index % 2)] !== name))
}
