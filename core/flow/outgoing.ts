import { PosternError } from '../errors.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Reuse, UpstreamRequest } from '../http/upstream-exchange.ts'
import type { Backend } from '../upstream/backend.ts'
import type { Bodies } from './bodies.ts'
import type { RequestFacts } from './request-facts.ts'
import { destinationOf } from './shaping.ts'
import { upgradeOffer } from './tunnel.ts'

/** The request as it goes to a backend. */
export function requestTo(
  backend: Backend,
  { client, facts, bodies }: { readonly client: Exchange; readonly facts: RequestFacts; readonly bodies: Bodies },
  reuse: Reuse,
): UpstreamRequest | PosternError {
  const { fields, method, grpc } = facts
  grpc?.passOn(fields)
  const to = destinationOf(facts, backend)
  if (to instanceof PosternError) return to
  // A client may name no host, but every request of HTTP/1.1 has one (RFC 9112 §3.2).
  const authority = to.authority === '' ? backend.authority : to.authority
  // An attempt before this one may have left the Host of another backend.
  const isOther = authority !== facts.target.authority || facts.route!.shape?.rewrite !== undefined
  if (isOther) fields.put('host', authority)
  return { method, target: to.full, fields, hasBody: bodies.goesUpstream, upgrade: upgradeOffer(client, bodies), reuse }
}
