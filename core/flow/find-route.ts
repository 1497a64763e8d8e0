import { PosternError } from '../errors.ts'
import type { Exchange } from '../http/exchange.ts'
import { locate } from '../route/locate.ts'
import { noRoute } from '../route/no-route.ts'
import type { HttpPlan, Route } from '../snapshot/snapshot.ts'
import type { RequestFacts } from './request-facts.ts'

/** Reads the target of a request, and finds its route, or why it has none. */
export function findRoute(facts: RequestFacts, exchange: Exchange, plan: HttpPlan): Route | PosternError {
  const located = locate(plan, exchange, facts.client)
  if (located instanceof PosternError) return located
  facts.target = located.target
  return misdirected(facts, plan) ?? located.route ?? noRoute(plan.routes, facts)
}

/**
 * Why a request is not for this connection (RFC 9110 §15.5.20): where clients are asked for certificates, they decide by the
 * server name of the handshake which one to show, and what they then ask of another host would be taken for theirs. A client
 * that named no server, and a request without a host, have nothing that differs. A proxy in `trustedProxies` shows its own
 * certificate, and sends requests for all hosts.
 */
function misdirected({ tls, client, target }: RequestFacts, { config }: HttpPlan): PosternError | undefined {
  const name = tls?.serverName
  if (name === undefined || config.tls?.clientCertificate === undefined || client.trusted) return undefined
  const { host } = target
  if (host === name || host === '') return undefined
  return new PosternError('NR', `the request is for the host "${host}", and the TLS handshake was for "${name}"`, {
    status: 421,
    detail: 'The TLS handshake of this connection was for another host: use a connection of its own.',
  })
}
