import type { ClientFacts } from './client-address.ts'
import { type Fields, shorten } from './fields.ts'
import { FORWARDING, HEARSAY, isAliasTreated } from './header-names.ts'

/** The last hop of a request, as this gateway knows it. */
export interface Hop {
  /** The other end of the connection. */
  readonly peerIp: string
  /** The client as `clientOf` found it. */
  readonly clientIp: string
  /** As the client used it. */
  readonly scheme: 'http' | 'https'
  /** Host and port that the client asked for; empty: it named none. */
  readonly authority: string
  readonly localPort: number
}

/** What a trusted peer said of the hops before it. */
export interface EarlierHops {
  readonly forwardedFor: readonly string[]
  readonly forwarded: readonly string[]
  readonly port: string | undefined
}

/**
 * Removes X-Forwarded-For, -Proto, -Host, -Port, X-Real-IP and Forwarded from a request when it arrives, and what else
 * frameworks believe of earlier hops (X-Forwarded-Prefix, -Ssl, Client-Cert and the like), so that routes and
 * policies see only what the backend will see. Spellings with underscores are removed too, since some backends treat them
 * like dashes.
 *
 * For a trusted peer the fields are added again, cleaned: the values that `clientOf` used, without lines that are empty or
 * malformed, and without X-Real-IP, which this gateway sets itself. What else it says stays as it is, except that
 * X-Forwarded-Proto decides: fields that name another scheme may be those of its client, which many proxies pass on, and are
 * removed.
 *
 * @returns what a trusted peer said; `undefined` for an untrusted peer, or without such fields
 */
export function takeForwarding(fields: Fields, { trusted, scheme, host }: ClientFacts): EarlierHops | undefined {
  const { list } = fields
  let i = 0
  while (i < list.length && !isTreatedHop(list[i]!, FORWARDING | HEARSAY)) i += 2
  if (i === list.length) return undefined
  const forwardedFor: string[] = []
  const forwarded: string[] = []
  let port: string | undefined
  const hasScheme = trusted && (fields.get('x-forwarded-proto') ?? '') !== ''
  let kept = i
  for (; i < list.length; i += 2) {
    const name = list[i]!
    const value = list[i + 1]!
    const isHearsay = isTreatedHop(name, HEARSAY)
    if (isHearsay ? trusted && !(hasScheme && contradicts(name, value, scheme)) : !isForwarding(name)) {
      list[kept] = name
      list[kept + 1] = value
      kept += 2
    } else if (trusted && value !== '' && !isHearsay) {
      if (name === 'x-forwarded-for') forwardedFor.push(value)
      else if (name === 'forwarded') forwarded.push(value)
      else if (name === 'x-forwarded-port' && /^[1-9]\d{0,4}$/.test(value)) port = value
    }
  }
  shorten(list, kept)
  if (!trusted) return undefined
  if (forwardedFor.length > 0) list.push('x-forwarded-for', forwardedFor.join(', '))
  if (hasScheme) list.push('x-forwarded-proto', scheme)
  if (host !== undefined) list.push('x-forwarded-host', host)
  if (port !== undefined) list.push('x-forwarded-port', port)
  if (forwarded.length > 0) list.push('forwarded', forwarded.join(', '))
  return { forwardedFor, forwarded, port }
}

/** Removes what `takeForwarding` left, and what a policy wrote: the gateway's own fields follow. */
export function dropForwarding({ list }: Fields): void {
  let kept = 0
  for (let i = 0; i < list.length; i += 2) {
    if (isForwarding(list[i]!)) continue
    list[kept] = list[i]!
    list[kept + 1] = list[i + 1]!
    kept += 2
  }
  shorten(list, kept)
}

/**
 * The fields that tell the backend who sent the request: X-Forwarded-For, -Proto, -Host, -Port, X-Real-IP and Forwarded.
 * The lists of a trusted peer are continued, and its X-Forwarded-Port is kept.
 *
 * @returns name, value, name, value
 */
export function forwardingFields(hop: Hop, earlier: EarlierHops | undefined): string[] {
  const { peerIp, clientIp, scheme, authority, localPort } = hop
  return [
    ...['x-forwarded-for', [...(earlier?.forwardedFor ?? []), peerIp || unknown].join(', ')],
    ...['x-forwarded-proto', scheme],
    ...(authority === '' ? [] : ['x-forwarded-host', authority]),
    ...['x-forwarded-port', earlier?.port ?? String(localPort)],
    ...(clientIp === '' ? [] : ['x-real-ip', clientIp]),
    ...['forwarded', [...(earlier?.forwarded ?? []), element(hop)].join(', ')],
  ]
}

/** RFC 7239 §6.2: the peer of a Unix socket has no address. */
const unknown = 'unknown'

/** RFC 7239 §4, §6: what is not a token is quoted, IPv6 is in brackets as well. */
function element({ peerIp, authority, scheme }: Hop): string {
  const node = peerIp === '' ? unknown : peerIp.includes(':') ? `"[${peerIp}]"` : peerIp
  const host = /^[\w.-]*$/.test(authority) ? authority : quoted(authority)
  return `for=${node}${host === '' ? '' : `;host=${host}`};proto=${scheme}`
}

function quoted(text: string): string {
  return `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`
}

function isForwarding(name: string): boolean {
  return isTreatedHop(name, FORWARDING)
}

function isTreatedHop(name: string, treatments: number): boolean {
  const first = name.charCodeAt(0)
  // Most names are ruled out by their first letter: `c`, `f` or `x`.
  return (first === 0x78 || first === 0x66 || first === 0x63) && isAliasTreated(name, treatments)
}

/** What the fields that name a scheme say for `https`; any other value means `http`. */
const secure: ReadonlyMap<string, readonly string[]> = new Map([
  ['front-end-https', ['on']],
  ['x-forwarded-protocol', ['https', 'ssl']],
  ['x-forwarded-scheme', ['https', 'wss']],
  ['x-forwarded-ssl', ['on']],
  ['x-url-scheme', ['https', 'wss']],
])

function contradicts(name: string, value: string, scheme: string): boolean {
  const values = secure.get(name)
  return values !== undefined && values.includes(value.toLowerCase()) !== (scheme === 'https')
}
