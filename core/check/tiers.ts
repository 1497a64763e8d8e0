import type { Config, ListenerConfig, UpstreamConfig } from '../config/types.ts'
import { compileTrust } from '../http/client-address.ts'
import { parseAddress } from './formats.ts'

/** What is wrong with a backend that is a listener of the same gateway; two tiers in one gateway are no loop. */
export function tierProblem(config: Config, upstream: string, address: string): string | undefined {
  const { protocol, proxyProtocol } = config.upstreams[upstream]!
  const name = listenerAt(config, address, protocol)
  if (name === undefined) return undefined
  if (leadsTo(config, name, upstream, new Set())) return `this is listener "${name}" of this gateway: a loop`
  const proxies = config.listeners[name]!.proxyProtocol
  const from = sourceTo(address)
  const isTaken = proxies !== undefined && compileTrust(proxies.from).has(from)
  const listener = `listener "${name}" of this gateway`
  if (proxyProtocol !== undefined && !isTaken) {
    return `${listener} reads no PROXY protocol header of ${from}; add "proxyProtocol": { "from": ["${from}"] } to it`
  }
  if (proxyProtocol !== undefined || !(isTaken || proxies?.required === true)) return undefined
  return `${listener} takes only connections with a PROXY protocol header; add "proxyProtocol": "v2" to this upstream`
}

/** The address that a listener on this host sees when the gateway connects to it. */
function sourceTo(address: string): string {
  const target = parseAddress(address)
  const host = typeof target === 'string' ? '' : target.host
  return host === 'localhost' ? '127.0.0.1' : host
}

/** The listener that such a backend is. */
function listenerAt({ listeners }: Config, address: string, protocol: UpstreamConfig['protocol']): string | undefined {
  return Object.keys(listeners).find((name) => {
    const listener = listeners[name]!
    return (listener.protocol === 'udp') === (protocol === 'udp') && isBoundTo(listener, address)
  })
}

/** Whether what arrives at a listener may get to an upstream, also through other listeners of this gateway. */
function leadsTo(config: Config, listener: string, upstream: string, seen: Set<string>): boolean {
  if (seen.has(listener)) return false
  seen.add(listener)
  const next = Object.values(config.routes).flatMap((route) =>
    route.listener === listener ? (route.upstream ?? []) : [],
  )
  if (next.includes(upstream)) return true
  return next.some((name) => {
    const { backends, protocol } = config.upstreams[name]!
    return backends.some(({ address }) => {
      const own = listenerAt(config, address, protocol)
      return own !== undefined && leadsTo(config, own, upstream, seen)
    })
  })
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost'])
const everything = new Set(['::', '0.0.0.0'])

/** Whether a connection to the address reaches the listener. */
function isBoundTo({ address, port }: ListenerConfig, to: string): boolean {
  const target = parseAddress(to)
  if (typeof target === 'string' || target.port !== port) return false
  const isLocal = loopback.has(target.host)
  return target.host === address || (isLocal && (everything.has(address) || loopback.has(address)))
}
