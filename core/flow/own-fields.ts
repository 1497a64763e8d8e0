import { SharedFields } from '../http/fields.ts'
import { forwardingFields, type Hop } from '../http/forwarding.ts'

/** The X-Forwarded, Forwarded and Via fields that a request without earlier hops gets, and the hop that they are about. */
interface OwnFields {
  readonly hop: Hop
  /** Differs by the version of the request, and after a reload that changes the pseudonym of the gateway. */
  readonly via: string
  readonly fields: SharedFields
}

/** Slots of the table, a power of two. */
const slots = 1024

/**
 * Those made last, one in each slot. A connection that kept its own would hold 0.8 KB while it is idle, and each new one
 * would make them again: 3 µs.
 */
const recent: (OwnFields | undefined)[] = new Array<OwnFields | undefined>(slots).fill(undefined)

/** The fields for a hop without earlier ones. Consecutive requests of a client get the same object. */
export function ownFields(hop: Hop, via: string): SharedFields {
  const slot = slotOf(hop)
  const known = recent[slot]
  if (known !== undefined && known.via === via && isSame(known.hop, hop)) return known.fields
  const fields = new SharedFields([...forwardingFields(hop, undefined), 'via', via])
  recent[slot] = { hop, via, fields }
  return fields
}

function isSame(a: Hop, b: Hop): boolean {
  if (a.authority !== b.authority || a.peerIp !== b.peerIp || a.clientIp !== b.clientIp) return false
  return a.scheme === b.scheme && a.localPort === b.localPort
}

/** The end of an address differs most. */
function slotOf({ peerIp, authority }: Hop): number {
  const { length } = peerIp
  const end = peerIp.charCodeAt(length - 1) + peerIp.charCodeAt(length - 2) * 13 + peerIp.charCodeAt(length - 3) * 71
  return (end + peerIp.charCodeAt(length >> 1) * 5 + authority.length * 257) & (slots - 1)
}
