import type { Layer } from '../../sdk/points.ts'

export type Protocol = 'http' | 'tcp'

interface ProtocolFacts {
  /** L7: postern reads requests and responses. L4: it forwards the bytes of connections. */
  readonly layer: Layer
  /** Default of an upstream's `timeouts.idle`, ms. */
  readonly idle: number
  /** What happens to the clients of a listener without a route, for messages. */
  readonly unrouted: string
}

/** Every protocol of listeners and upstreams with what follows from it; a new protocol is a new name and its row. */
export const protocols: Readonly<Record<Protocol, ProtocolFacts>> = {
  http: { layer: 'L7', idle: 60_000, unrouted: 'every request gets 404' },
  tcp: { layer: 'L4', idle: 600_000, unrouted: 'every connection is closed' },
}

/** Layer of a protocol; `undefined` when it is not a known protocol. */
export function layerOf(protocol: Protocol): Layer
export function layerOf(protocol: unknown): Layer | undefined
export function layerOf(protocol: unknown): Layer | undefined {
  return isProtocol(protocol) ? protocols[protocol].layer : undefined
}

/** The protocols of a layer as messages name them: `http`, or `tcp or tls`. */
export function protocolsOf(layer: Layer, quote = (name: string): string => name): string {
  const names = (Object.keys(protocols) as Protocol[]).filter((name) => protocols[name].layer === layer)
  return names.map(quote).join(' or ')
}

export function isProtocol(value: unknown): value is Protocol {
  return typeof value === 'string' && Object.hasOwn(protocols, value)
}
