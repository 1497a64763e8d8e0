import type { Chain } from '../hooks/chain.ts'
import type { HttpPlan } from '../snapshot.ts'
import type { Exchange } from './exchange.ts'
import { addForwarding, type Hop } from './forwarding.ts'
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
  { fields, version }: Exchange,
  { config, snapshot }: HttpPlan,
  hop: Hop,
  authority: string,
  id: string,
  chain: Chain,
): void {
  addForwarding(fields, hop)
  fields.put('host', authority)
  fields.put('x-request-id', id)
  // A line of its own is the list continued (RFC 9110 §5.2).
  fields.list.push('via', snapshot.via.entry[version])
  if (config.underscores === 'pass') dropAliases(fields, chain)
}
