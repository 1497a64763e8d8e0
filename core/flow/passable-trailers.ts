import type { Chain } from '../hooks/chain.ts'
import { Fields } from '../http1/fields.ts'

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
