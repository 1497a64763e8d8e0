import type { Steps } from '../in-slices.ts'
import { findByHost, Layer } from './layers.ts'
import { hostPattern } from './pattern.ts'
import type { Matchable } from './table.ts'

/** The parts of an L4 connection that routing uses. */
export interface ConnectionRequest {
  /** The name in the client's TLS ClientHello (SNI, RFC 6066 §3), in any case; `undefined`: it sent none. */
  readonly serverName: string | undefined
}

/** The routes of one tcp listener. A look-up takes the same time for any number of routes. */
export interface ConnectionTable<R> {
  /**
   * The most specific route that matches, `undefined` when none does. Order by server name: exact, longer wildcard,
   * shorter wildcard, a route without a host. A connection without a server name matches only a route without a host.
   */
  find(request: ConnectionRequest): R | undefined
}

/**
 * Builds the table. The order of `routes` does not matter: of two with the same host, the one whose name sorts first
 * wins.
 */
export function* connectionTable<R extends Matchable>(routes: readonly R[]): Steps<ConnectionTable<R>> {
  const hosts = new Layer<R[]>()
  for (const route of routes) {
    hosts.at(hostPattern(route.match), () => []).push(route)
    yield
  }
  for (const candidates of hosts.seal()) {
    candidates.sort((a, b) => (a.name < b.name ? -1 : 1))
    yield
  }
  return {
    find: ({ serverName }) =>
      serverName === undefined ? hosts.any?.[0] : findByHost(hosts, serverName.toLowerCase(), first),
  }
}

function first<R>(candidates: readonly R[]): R | undefined {
  return candidates[0]
}
