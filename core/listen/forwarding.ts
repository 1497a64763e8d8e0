import type { Fields } from '../http1/fields.ts'

/** What this gateway knows of the hop that a request came by. */
export interface Hop {
  /** The other end of the connection. */
  readonly peerIp: string
  /** The client as `clientOf` found it. */
  readonly clientIp: string
  /** As the client used it. */
  readonly scheme: 'http' | 'https'
  /** Host and port that the client asked for. */
  readonly authority: string
  readonly localPort: number
  /** Whether the peer is a trusted proxy. */
  readonly trusted: boolean
}

/**
 * Says in the request that goes upstream who sent it: sets X-Forwarded-For, -Proto, -Host, -Port, X-Real-IP and
 * Forwarded. What an untrusted peer said in them is dropped; the lists of a trusted one are continued, and its
 * X-Forwarded-Port kept. Spellings with underscores are always dropped, since some backends cannot tell them from dashes.
 */
export function addForwarding(fields: Fields, hop: Hop): void {
  const { list } = fields
  let forwardedFor = ''
  let forwarded = ''
  let port = ''
  let kept = 0
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    const value = list[i + 1]!
    if (!isForwarding(name)) {
      list[kept] = name
      list[kept + 1] = value
      kept += 2
    } else if (hop.trusted && value !== '') {
      if (name === 'x-forwarded-for') forwardedFor += `${value}, `
      else if (name === 'forwarded') forwarded += `${value}, `
      else if (name === 'x-forwarded-port' && /^[1-9]\d{0,4}$/.test(value)) port = value
    }
  }
  if (kept < list.length) list.length = kept
  list.push(
    'x-forwarded-for',
    forwardedFor + hop.peerIp,
    'x-forwarded-proto',
    hop.scheme,
    'x-forwarded-host',
    hop.authority,
    'x-forwarded-port',
    port || String(hop.localPort),
    'x-real-ip',
    hop.clientIp,
    'forwarded',
    forwarded + element(hop),
  )
}

/** RFC 7239 §4, §6: what is not a token is quoted, IPv6 is in brackets as well. */
function element({ peerIp, authority, scheme }: Hop): string {
  const node = peerIp.includes(':') ? `"[${peerIp}]"` : peerIp
  const host = /^[\w.-]+$/.test(authority) ? authority : quoted(authority)
  return `for=${node};host=${host};proto=${scheme}`
}

function quoted(text: string): string {
  return `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`
}

const names: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
  'forwarded',
])

function isForwarding(name: string): boolean {
  const first = name.charCodeAt(0)
  if (first !== 0x78 && first !== 0x66) return false
  return names.has(name.indexOf('_') === -1 ? name : name.replaceAll('_', '-'))
}
