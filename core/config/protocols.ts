import type { Layer } from '../../sdk/points.ts'

/** What clients of a listener speak. */
export type ListenerProtocol = 'http' | 'https' | 'tcp' | 'tls'

/** What the backends of an upstream speak. */
export type UpstreamProtocol = 'http' | 'tcp'

export type Protocol = ListenerProtocol | UpstreamProtocol

interface ListenerFacts {
  /** L7: postern reads requests and responses. L4: it forwards the bytes of connections. */
  readonly layer: Layer
  /** Whether a TLS handshake comes first. */
  readonly tls: boolean
  /** What happens to the clients of a listener without a route, for messages. */
  readonly unrouted: string
}

interface UpstreamFacts {
  readonly layer: Layer
  /** Default of `timeouts.idle`, ms. */
  readonly idle: number
}

const unrouted = { L7: 'every request gets 404', L4: 'every connection is closed' } as const

/** Every protocol of listeners with what follows from it; a new one is a new name and its row. */
export const listenerProtocols: Readonly<Record<ListenerProtocol, ListenerFacts>> = {
  http: { layer: 'L7', tls: false, unrouted: unrouted.L7 },
  https: { layer: 'L7', tls: true, unrouted: unrouted.L7 },
  tcp: { layer: 'L4', tls: false, unrouted: unrouted.L4 },
  tls: { layer: 'L4', tls: true, unrouted: unrouted.L4 },
}

/** Every protocol of upstreams. */
export const upstreamProtocols: Readonly<Record<UpstreamProtocol, UpstreamFacts>> = {
  http: { layer: 'L7', idle: 60_000 },
  tcp: { layer: 'L4', idle: 600_000 },
}

const all: Readonly<Record<Protocol, { readonly layer: Layer }>> = { ...listenerProtocols, ...upstreamProtocols }

/** Layer of a protocol; `undefined` when it is not a known protocol. */
export function layerOf(protocol: Protocol): Layer
export function layerOf(protocol: unknown): Layer | undefined
export function layerOf(protocol: unknown): Layer | undefined {
  return isProtocol(protocol) ? all[protocol].layer : undefined
}

/** Whether the clients of such a listener begin with a TLS handshake. */
export function beginsWithTls(protocol: unknown): boolean {
  return isProtocol(protocol) && Object.hasOwn(listenerProtocols, protocol) && listenerProtocols[protocol].tls
}

/** The protocols of a layer as messages name them: `http or https`. */
export function protocolsOf(
  layer: Layer,
  table: Readonly<Record<string, { readonly layer: Layer }>>,
  quote = (name: string): string => name,
): string {
  const names = Object.keys(table).filter((name) => table[name]!.layer === layer)
  return names.map(quote).join(' or ')
}

export function isProtocol(value: unknown): value is Protocol {
  return typeof value === 'string' && Object.hasOwn(all, value)
}
