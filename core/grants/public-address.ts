import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Public addresses behind which a cloud puts the metadata of its machines. */
const metadata = ['168.63.129.16']

/**
 * Whether an address is one of the public Internet: not private, loopback, link-local (where clouds keep their metadata),
 * shared, multicast, reserved, mapped or translated.
 */
export function isPublicAddress(text: string): boolean {
  if (isIP(text) === 0 || metadata.includes(text)) return false
  const address = ipaddr.parse(text)
  if (address.range() !== 'unicast') return false
  // Of IPv6 only 2000::/3 is given out; the library calls the rest unicast too.
  return address.kind() === 'ipv4' || address.toByteArray()[0]! >> 5 === 1
}
