import { PosternError } from '../errors.ts'
import type { Chain } from '../hooks/chain.ts'
import { addClientCert, dropClientCert } from '../http/client-cert.ts'
import type { Exchange } from '../http/exchange.ts'
import { Fields, SharedFields } from '../http/fields.ts'
import { dropForwarding, forwardingFields, takeForwarding } from '../http/forwarding.ts'
import { screenUnderscores } from '../http/underscores.ts'
import { isLoop, mostPasses } from '../http/via.ts'
import type { HttpPlan } from '../snapshot/snapshot.ts'
import { type Bodies, setBodyLength } from './bodies.ts'
import { translateRequest } from './grpc-web.ts'
import { ownFields } from './own-fields.ts'
import type { RequestFacts } from './request-facts.ts'
import { shapeRequest } from './shaping.ts'
import { addKey, upgradeOffer } from './tunnel.ts'

/**
 * Cleans the head of a request when it arrives, before routes and policies see it: removes aliases with underscores, the
 * X-Forwarded family, Forwarded, Client-Cert and `X-Request-Id`, of which only that of a trusted peer is believed. So a policy sees only
 * what the backend will see.
 *
 * @returns why the request is refused on every route; `undefined` when it is accepted
 */
export function cleanHead(facts: RequestFacts, plan: HttpPlan): PosternError | undefined {
  const { fields } = facts
  const { config, snapshot } = plan
  const problem = screenUnderscores(fields, config.underscores, plan.isUsed)
  if (problem !== undefined)
    return new PosternError('DPE', problem, { detail: 'a header name with an underscore is not accepted' })
  if (isLoop(fields, snapshot.via)) {
    return new PosternError(
      'LD',
      `the request has already passed through this gateway ("${snapshot.via.pseudonym}" in Via) ${mostPasses} times or more`,
    )
  }
  if (facts.client.trusted) facts.identify(fields.get('x-request-id'))
  fields.delete('x-request-id')
  facts.earlier = takeForwarding(fields, facts.client)
  if (config.tls?.clientCertificate?.forward === true) dropClientCert(fields)
  return undefined
}

/**
 * Completes the head of a request when it leaves: the gateway's own fields, those of its route, the expectation, the length of its
 * body.
 *
 * @returns why it is not sent
 */
export function completeHead(
  exchange: Exchange,
  facts: RequestFacts,
  bodies: Bodies,
  plan: HttpPlan,
): PosternError | undefined {
  const { fields, awaitsContinue } = exchange
  addOwnFields(exchange, facts, plan)
  const refused = shapeRequest(facts)
  if (refused !== undefined) return refused
  const offer = upgradeOffer(exchange, bodies)
  // Without it the rest of an extended CONNECT would be a GET that its client never sent (RFC 8441 §4).
  if (exchange.version === '2' && exchange.upgrade !== undefined && offer === undefined) {
    return new PosternError('DPE', `the upgrade to ${exchange.upgrade} is not forwarded`, { status: 501 })
  }
  addKey(exchange, offer)
  // The expectation is forwarded only while the client still waits for a 100; the backend's 100 is then forwarded to it.
  if (!awaitsContinue || bodies.replacedLength !== undefined) fields.delete('expect')
  setBodyLength(fields, bodies.replacedLength, facts.chain!.steps.onRequestBody.length > 0)
  if (facts.grpc !== undefined) translateRequest(facts.grpc, fields, facts.upstream!)
  return undefined
}

/**
 * Adds the fields that only the gateway may set: the X-Forwarded family, Forwarded, Via, Host, X-Request-Id and, where the
 * listener forwards certificates, Client-Cert. Values that policies wrote are replaced.
 */
function addOwnFields({ version, fields }: Exchange, facts: RequestFacts, { snapshot, config }: HttpPlan): void {
  const { hop, earlier, target, id } = facts
  const isAsked = facts.chain!.steps.onRequest.length > 0
  if (isAsked) fields.put('x-request-id', id)
  if (isAsked || earlier !== undefined) dropForwarding(fields)
  if (config.tls?.clientCertificate?.forward === true) {
    if (isAsked) dropClientCert(fields)
    addClientCert(fields, facts.tls?.client)
  }
  fields.put('host', target.authority)
  // A line of its own continues the list of Via (RFC 9110 §5.2).
  const via = snapshot.via.entry[version]
  if (earlier === undefined) fields.shared = ownFields(hop, via)
  else fields.shared = new SharedFields([...forwardingFields(hop, earlier), 'via', via])
}

/**
 * The trailers of a message that may be passed on. What a policy of the chain may write in the head, or `headers` of the route
 * changes there, a trailer must not say after it: a recipient that merges the two would believe the trailer. Names with an
 * underscore are removed from requests for the same reason, as some backends cannot tell them from dashes. What no trailer may
 * say, the codec drops.
 *
 * Trailers go to every client, whether it sent `TE: trailers` or not. That field has reached the backend, which has
 * decided; every recipient of HTTP/1.1 can read a trailer section (RFC 9112 §7.1.2), and HAProxy and Envoy do the same.
 * They are dropped where the message that goes out is not chunked, and with the body that they belong to.
 */
export function passableTrailers(
  trailers: Fields | undefined,
  message: 'request' | 'response',
  { chain, route }: Pick<RequestFacts, 'chain' | 'route'>,
): Fields | undefined {
  if (trailers === undefined) return undefined
  const { list } = trailers
  const edits = route?.shape?.[message]
  const kept: string[] = []
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (edits?.names.has(name) === true || isWritten(name, message, chain)) continue
    if (message === 'request' && name.includes('_')) continue
    kept.push(name, list[i + 1]!)
  }
  if (kept.length === 0) return undefined
  const passed = new Fields(kept, true, trailers.spelling)
  passed.secrets = trailers.secrets
  return passed
}

function isWritten(name: string, message: 'request' | 'response', chain: Chain | undefined): boolean {
  if (chain === undefined) return false
  const { onRequest, onResponse } = chain.steps
  if (message === 'request') return onRequest.some(({ policy }) => policy.writes.header(name))
  // onRequest may have prepared the header.
  return [onRequest, onResponse].some((steps) => steps.some(({ policy }) => policy.writes.responseHeader(name)))
}
