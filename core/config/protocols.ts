import type { Layer } from '../../sdk/points.ts'

/** What clients of a listener speak. */
export type ListenerProtocol = 'http' | 'https' | 'tcp' | 'tls' | 'udp'

/** What the backends of an upstream speak. */
export type UpstreamProtocol = 'http' | 'tcp' | 'udp'

export type Protocol = ListenerProtocol | UpstreamProtocol

/** What is forwarded between a listener and an upstream: both have to be of the same kind. */
export type Traffic = 'requests' | 'connections' | 'datagrams'

interface ListenerFacts {
  /** L7: postern reads requests and responses. L4: it forwards the bytes of connections, or datagrams. */
  readonly layer: Layer
  readonly traffic: Traffic
  /** Whether a TLS handshake comes first. */
  readonly tls: boolean
  /** What happens to the clients of a listener without a route, for messages. */
  readonly unrouted: string
}

interface UpstreamFacts {
  readonly layer: Layer
  readonly traffic: Traffic
  /** Default of `timeouts.idle`, ms. */
  readonly idle: number
}

const unrouted = {
  requests: 'every request gets 404',
  connections: 'every connection is closed',
  datagrams: 'every datagram is dropped',
} as const

/** Every protocol of listeners with what follows from it; a new one is a new name and its row. */
export const listenerProtocols: Readonly<Record<ListenerProtocol, ListenerFacts>> = {
  http: { layer: 'L7', traffic: 'requests', tls: false, unrouted: unrouted.requests },
  https: { layer: 'L7', traffic: 'requests', tls: true, unrouted: unrouted.requests },
  tcp: { layer: 'L4', traffic: 'connections', tls: false, unrouted: unrouted.connections },
  tls: { layer: 'L4', traffic: 'connections', tls: true, unrouted: unrouted.connections },
  udp: { layer: 'L4', traffic: 'datagrams', tls: false, unrouted: unrouted.datagrams },
}

/** Every protocol of upstreams. */
export const upstreamProtocols: Readonly<Record<UpstreamProtocol, UpstreamFacts>> = {
  http: { layer: 'L7', traffic: 'requests', idle: 60_000 },
  tcp: { layer: 'L4', traffic: 'connections', idle: 600_000 },
  udp: { layer: 'L4', traffic: 'datagrams', idle: 30_000 },
}

interface ProtocolFacts {
  readonly layer: Layer
  readonly traffic: Traffic
}

const all: Readonly<Record<Protocol, ProtocolFacts>> = { ...listenerProtocols, ...upstreamProtocols }

/** Layer of a protocol; `undefined` when it is not a known protocol. */
export function layerOf(protocol: Protocol): Layer
export function layerOf(protocol: unknown): Layer | undefined
export function layerOf(protocol: unknown): Layer | undefined {
  return isProtocol(protocol) ? all[protocol].layer : undefined
}

/** What a protocol carries; `undefined` when it is not a known protocol. */
export function trafficOf(protocol: Protocol): Traffic
export function trafficOf(protocol: unknown): Traffic | undefined
export function trafficOf(protocol: unknown): Traffic | undefined {
  return isProtocol(protocol) ? all[protocol].traffic : undefined
}

/** Whether the clients of such a listener begin with a TLS handshake. */
export function beginsWithTls(protocol: unknown): boolean {
  return isProtocol(protocol) && Object.hasOwn(listenerProtocols, protocol) && listenerProtocols[protocol].tls
}

/** The protocols that carry this, as messages name them: `http or https`. */
export function protocolsOf(
  traffic: Traffic,
  table: Readonly<Record<string, { readonly traffic: Traffic }>>,
  quote = (name: string): string => name,
): string {
  const names = Object.keys(table).filter((name) => table[name]!.traffic === traffic)
  return names.map(quote).join(' or ')
}

export function isProtocol(value: unknown): value is Protocol {
  return typeof value === 'string' && Object.hasOwn(all, value)
}
