import type { Chain } from '../hooks/chain.ts'
import type { HttpPlan } from '../snapshot.ts'
import type { Exchange } from './exchange.ts'
import { forwardingLines, type Hop, takeForwarding } from './forwarding.ts'
import { dropAliases } from './underscores.ts'

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
  if (config.underscores === 'pass') dropAliases(fields, chain)
}

/** Of a peer that says nothing of hops before it, the same for one request after the other. */
function usualLines({ connection }: Exchange, hop: Hop): string {
  const { own } = connection
  if (own?.authority === hop.authority) return own.lines
  const lines = forwardingLines(hop, undefined)
  connection.own = { authority: hop.authority, lines }
  return lines
}
