import type { Fields } from './fields.ts'

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

/** What a trusted peer said of the hops before it. */
export interface EarlierHops {
  readonly forwardedFor: readonly string[]
  readonly forwarded: readonly string[]
  readonly port: string | undefined
}

/**
 * Takes X-Forwarded-For, -Proto, -Host, -Port, X-Real-IP and Forwarded out of a request. Spellings with underscores go
 * too, since some backends cannot tell them from dashes.
 *
 * @returns what there was to be believed; `undefined` when there was none of these fields
 */
export function takeForwarding(fields: Fields, trusted: boolean): EarlierHops | undefined {
  const { list } = fields
  let i = 0
  while (i < list.length && !isForwarding(list[i]!)) i += 2
  if (i === list.length) return undefined
  const forwardedFor: string[] = []
  const forwarded: string[] = []
  let port: string | undefined
  let kept = i
  for (; i < list.length; i += 2) {
    const name = list[i]!
    const value = list[i + 1]!
    if (!isForwarding(name)) {
      list[kept] = name
      list[kept + 1] = value
      kept += 2
    } else if (trusted && value !== '') {
      if (name === 'x-forwarded-for') forwardedFor.push(value)
      else if (name === 'forwarded') forwarded.push(value)
      else if (name === 'x-forwarded-port' && /^[1-9]\d{0,4}$/.test(value)) port = value
    }
  }
  list.length = kept
  return { forwardedFor, forwarded, port }
}

/**
 * Says in the request that goes upstream who sent it, as field lines for the wire: X-Forwarded-For, -Proto, -Host, -Port,
 * X-Real-IP and Forwarded. The lists of a trusted peer are continued, and its X-Forwarded-Port kept.
 */
export function forwardingLines(hop: Hop, earlier: EarlierHops | undefined): string {
  const { peerIp, clientIp, scheme, authority, localPort } = hop
  return lines([
    ['x-forwarded-for', [...(earlier?.forwardedFor ?? []), peerIp].join(', ')],
    ['x-forwarded-proto', scheme],
    ['x-forwarded-host', authority],
    ['x-forwarded-port', earlier?.port ?? String(localPort)],
    ['x-real-ip', clientIp],
    ['forwarded', [...(earlier?.forwarded ?? []), element(hop)].join(', ')],
  ])
}

function lines(fields: readonly (readonly [string, string])[]): string {
  return fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
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
