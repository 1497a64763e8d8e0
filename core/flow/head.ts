import { PosternError } from '../errors.ts'
import type { Chain } from '../hooks/chain.ts'
import type { Exchange } from '../http/exchange.ts'
import { Fields } from '../http/fields.ts'
import { forwardingLines, type Hop, takeForwarding } from '../http/forwarding.ts'
import { dropAliases, screenUnderscores } from '../http/underscores.ts'
import { isLoop } from '../http/via.ts'
import type { HttpPlan } from '../snapshot/snapshot.ts'

/** What the head of a request is refused for, wherever it may be going; aliases of trusted headers are dropped from it. */
export function screen(fields: Fields, { config, snapshot }: HttpPlan): PosternError | undefined {
  const problem = screenUnderscores(fields, config.underscores)
  if (problem !== undefined) return new PosternError('DPE', problem)
  if (!isLoop(fields, snapshot.via)) return undefined
  return new PosternError('LD', `the request has passed this gateway already, as "${snapshot.via.pseudonym}"`)
}

/**
 * Says in a request what only the gateway may say, once the policies are done with it: by which way it came, for which
 * host, under which identifier.
 *
 * @param authority host and port as routing read them
 * @param id of the request, as in its access record
 * @param chain of the policies that had their turn
 */
export function setOwnFields(
  exchange: Exchange,
  { config, snapshot }: HttpPlan,
  hop: Hop,
  authority: string,
  id: string,
  chain: Chain,
): void {
  const { fields, version } = exchange
  const earlier = takeForwarding(fields, hop.trusted)
  fields.put('host', authority)
  fields.delete('x-request-id')
  const way = earlier === undefined ? usualLines(exchange, hop) : forwardingLines(hop, earlier)
  // A line of its own is the list of Via continued (RFC 9110 §5.2).
  fields.tail = way + 'x-request-id: ' + id + '\r\nvia: ' + snapshot.via.entry[version] + '\r\n'
  if (config.underscores === 'pass')
    dropAliases(fields, (name) => chain.steps.onRequest.some(({ policy }) => policy.writes.header(name)))
}

/** Of a peer that says nothing of hops before it, the same for one request after the other. */
function usualLines({ connection }: Exchange, hop: Hop): string {
  const { own } = connection
  if (own?.authority === hop.authority) return own.lines
  const lines = forwardingLines(hop, undefined)
  connection.own = { authority: hop.authority, lines }
  return lines
}

/**
 * The trailers of a message that may go on. What a policy of the chain may write in the head, a trailer must not say over
 * its head: a recipient that merges the two would believe the trailer. Names with an underscore go from requests for the
 * same reason, as some backends cannot tell them from dashes. What no trailer may say, the codec drops.
 *
 * Trailers go to every client, whether it sent `TE: trailers` or not. That field has reached the backend, which has
 * decided; every recipient of HTTP/1.1 can read a trailer section (RFC 9112 §7.1.2), and HAProxy and Envoy do the same.
 * They are dropped where the message that goes out is not chunked, and with the body that they belong to.
 */
export function passableTrailers(
  trailers: Fields | undefined,
  message: 'request' | 'response',
  chain: Chain | undefined,
): Fields | undefined {
  if (trailers === undefined) return undefined
  const { list } = trailers
  const kept: string[] = []
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (isWritten(name, message, chain) || (message === 'request' && name.includes('_'))) continue
    kept.push(name, list[i + 1]!)
  }
  return kept.length === 0 ? undefined : new Fields(kept, true)
}

function isWritten(name: string, message: 'request' | 'response', chain: Chain | undefined): boolean {
  if (chain === undefined) return false
  if (message === 'request') return chain.steps.onRequest.some(({ policy }) => policy.writes.header(name))
  return chain.steps.onResponse.some(({ policy }) => policy.writes.responseHeader(name))
}
