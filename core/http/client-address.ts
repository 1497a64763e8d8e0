import { BlockList, isIP } from 'node:net'
import { normalizeIp, type Peer } from '../net/peer.ts'
import type { Fields } from './fields.ts'

/** The addresses of proxies that are believed: their X-Forwarded headers, or their headers of the PROXY protocol. */
export interface Trust {
  /**
   * Whether an address is among them; IPv4-mapped IPv6 counts as IPv4. Empty, that of a Unix socket, is with `unix`. What is not
   * an address never is.
   */
  has(ip: string): boolean
}

/** Stands for the clients of a Unix socket, which have no address. */
const unix = 'unix'

/** The client of a request: what a trusted peer says of it, else the peer itself. */
export interface ClientFacts {
  readonly ip: string
  /** `undefined` when a trusted proxy named the client: its header carries no port. */
  readonly port: number | undefined
  readonly scheme: 'http' | 'https'
  /** X-Forwarded-Host of a trusted proxy. Not checked yet: it has to be a valid authority, as `Host` has to. */
  readonly host: string | undefined
  /** Whether the peer is trusted. */
  readonly trusted: boolean
}

/**
 * Compiles CIDR ranges (`10.0.0.0/8`, `2001:db8::/32`), single addresses and `unix`.
 *
 * @throws TypeError on text that is neither an address nor a range
 */
export function compileTrust(cidrs: readonly string[]): Trust {
  if (cidrs.length === 0) return { has: () => false }
  const list = new BlockList()
  for (const cidr of cidrs) if (cidr !== unix) addRange(list, cidr)
  const hasUnix = cidrs.includes(unix)
  return {
    has(text) {
      if (text === '') return hasUnix
      const ip = normalizeIp(text)
      const version = isIP(ip)
      return version !== 0 && list.check(ip, version === 4 ? 'ipv4' : 'ipv6')
    },
  }
}

/**
 * The client behind a peer. X-Forwarded headers of an untrusted peer are ignored. For a trusted peer, X-Forwarded-For is
 * read from the right, past trusted addresses, to the first untrusted one, or to the leftmost; an entry that is not an
 * address ends the search, since entries left of it cannot be trusted. Of X-Forwarded-Proto and -Host the last value counts,
 * which the peer itself added.
 */
export function clientOf(trust: Trust, peer: Peer, fields: Fields): ClientFacts {
  const { address, port } = peer
  const scheme = schemeOf(peer)
  if (!trust.has(address)) return { ip: address, port, scheme, host: undefined, trusted: false }
  const list = fields.get('x-forwarded-for')
  const ip = list === undefined ? undefined : walk(trust, list)
  return {
    ip: ip ?? address,
    port: ip === undefined ? port : undefined,
    scheme: schemes.get(lastOf(fields.get('x-forwarded-proto')).toLowerCase()) ?? scheme,
    host: lastOf(fields.get('x-forwarded-host')) || undefined,
    trusted: true,
  }
}

/** TLS may end here, or at the proxy that named the client. */
function schemeOf({ tls, proxied }: Peer): 'http' | 'https' {
  return tls === undefined && proxied?.tls?.version === undefined ? 'http' : 'https'
}

/** Proxies that name the scheme of a WebSocket mean the transport below it. */
const schemes: ReadonlyMap<string, 'http' | 'https'> = new Map([
  ['http', 'http'],
  ['https', 'https'],
  ['ws', 'http'],
  ['wss', 'https'],
])

function walk(trust: Trust, list: string): string | undefined {
  let good: string | undefined
  for (let to = list.length; to >= 0; ) {
    const comma = to === 0 ? -1 : list.lastIndexOf(',', to - 1)
    const ip = addressOf(list.slice(comma + 1, to).trim())
    if (ip === undefined) return good
    good = ip
    if (!trust.has(ip)) return good
    to = comma
  }
  return good
}

/** `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:5`: what proxies are known to write. */
function addressOf(entry: string): string | undefined {
  if (isIP(entry) !== 0) return normalizeIp(entry)
  const withPort = /^(?:\[([^\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(entry)
  if (withPort === null) return undefined
  const address = withPort[1] ?? withPort[2]!
  return isIP(address) === (withPort[1] === undefined ? 4 : 6) ? normalizeIp(address) : undefined
}

function lastOf(list: string | undefined): string {
  return list === undefined ? '' : list.slice(list.lastIndexOf(',') + 1).trim()
}

function addRange(list: BlockList, cidr: string): void {
  const slash = cidr.indexOf('/')
  const text = slash === -1 ? cidr : cidr.slice(0, slash)
  const ip = normalizeIp(text)
  const version = isIP(ip)
  const longest = version === 4 ? 32 : 128
  const bits = slash === -1 ? longest : prefixBits(cidr.slice(slash + 1), text !== ip && version === 4 ? 96 : 0)
  if (version === 0 || text.includes('%') || bits === undefined || bits > longest) {
    throw new TypeError(`"${cidr}" is not an address or CIDR range; write one like 10.0.0.0/8 or 2001:db8::/32`)
  }
  list.addSubnet(ip, bits, version === 4 ? 'ipv4' : 'ipv6')
}

/** A range of IPv4-mapped addresses counts its bits from the start of the IPv6 address. */
function prefixBits(text: string, mapped: number): number | undefined {
  const bits = /^\d{1,3}$/.test(text) ? Number(text) - mapped : -1
  return bits < 0 ? undefined : bits
}
