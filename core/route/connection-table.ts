import type { Steps } from '../in-slices.ts'
import { findByHost, Layer } from './layers.ts'
import { serverNamePattern } from './pattern.ts'
import { addressOf, around, rangeKey, rangeOf, type SourceRange } from './source-range.ts'
import type { Matchable } from './table.ts'

/** The parts of an L4 connection that routing uses. */
export interface ConnectionRequest {
  /** The name in the client's TLS ClientHello (SNI, RFC 6066 §3), in any case; `undefined`: it sent none. */
  readonly serverName: string | undefined
  /** The protocols that it offers there (ALPN, RFC 7301). */
  readonly alpn: readonly string[]
  /** Its address; what is not an address is in no range. */
  readonly source: string
}

/** @param tls as the ClientHello said; `undefined`: the client sent none, or it was not read */
export function connectionRequest(
  tls: { readonly serverName: string | undefined; readonly offered: readonly string[] } | undefined,
  source: string,
): ConnectionRequest {
  return { serverName: tls?.serverName, alpn: tls?.offered ?? [], source }
}

/** Why no route takes a connection, for its record. */
export function noRouteFor({ serverName, alpn, source }: ConnectionRequest, isHello: boolean): string {
  if (!isHello) return `no route for a client at ${source}`
  const name =
    serverName === undefined ? 'a client without a server name' : `the server name ${JSON.stringify(serverName)}`
  const offer = alpn.length === 0 ? '' : ` with ALPN ${alpn.slice(0, 5).join(', ')}`
  return `no route for ${name}${offer} from ${source}`
}

/** The routes of one L4 listener. A look-up takes the same time for any number of routes. */
export interface ConnectionTable<R> {
  /** Whether a route asks for what only a ClientHello says. */
  readonly needsHello: boolean
  /**
   * The most specific route that matches, `undefined` when none does. Server name decides first (exact, longer wildcard,
   * shorter wildcard, none), then ALPN (given, any), then source (longer prefix, shorter prefix, any), then the order written.
   * A connection without a server name matches only a route without one.
   */
  find(request: ConnectionRequest): R | undefined
}

/** Builds the table. Of routes that are equally specific the one of lowest rank wins, then the one whose name sorts first. */
export function* connectionTable<R extends Matchable>(routes: readonly R[]): Steps<ConnectionTable<R>> {
  const names = new Layer<Protocols<R>>()
  let needsHello = false
  let needsSource = false
  for (const route of routes) {
    const { serverName, alpn, source } = route.match
    needsHello ||= (serverName ?? alpn) !== undefined
    needsSource ||= source !== undefined
    const protocols = names.at(serverNamePattern(route.match), () => new Protocols<R>())
    for (const sources of protocols.of(alpn)) sources.add(route, source)
    yield
  }
  for (const protocols of names.seal()) {
    protocols.seal()
    yield
  }
  return {
    needsHello,
    find: ({ serverName, alpn, source }) => {
      const address = needsSource ? addressOf(source) : undefined
      const look = (protocols: Protocols<R>): R | undefined => protocols.find(alpn, address)
      if (serverName === undefined) return names.any && look(names.any)
      return findByHost(names, serverName.toLowerCase(), look)
    },
  }
}

/** The routes of one server name, by protocol. */
class Protocols<R extends Matchable> {
  readonly #named = new Map<string, Sources<R>>()
  #any: Sources<R> | undefined;

  *of(alpn: readonly string[] | undefined): Generator<Sources<R>> {
    if (alpn === undefined) {
      this.#any ??= new Sources<R>()
      yield this.#any
      return
    }
    for (const protocol of alpn) {
      const known = this.#named.get(protocol)
      const sources = known ?? new Sources<R>()
      if (known === undefined) this.#named.set(protocol, sources)
      yield sources
    }
  }

  seal(): void {
    this.#any?.seal()
    for (const sources of this.#named.values()) sources.seal()
  }

  find(alpn: readonly string[], address: SourceRange | undefined): R | undefined {
    let best: Found<R> | undefined
    if (this.#named.size > 0) {
      // A client may offer thousands, most of them twice.
      for (const protocol of new Set(alpn)) {
        const found = this.#named.get(protocol)?.find(address)
        if (found !== undefined && (best === undefined || precedes(found, best))) best = found
      }
    }
    return (best ?? this.#any?.find(address))?.route
  }
}

interface Found<R> {
  readonly route: R
  /** Of the prefix that matched; -1: any source. */
  readonly length: number
}

function precedes<R extends Matchable>(a: Found<R>, b: Found<R>): boolean {
  return a.length === b.length ? isBefore(a.route, b.route) : a.length > b.length
}

/** Whether `a` wins of two that are equally specific. */
function isBefore(a: Matchable, b: Matchable): boolean {
  const rank = (a.rank ?? 0) - (b.rank ?? 0)
  return rank === 0 ? a.name < b.name : rank < 0
}

/** The routes of one server name and protocol, by source. */
class Sources<R extends Matchable> {
  readonly #ranges = new Map<string, Found<R>>()
  readonly #lengths = { 4: new Set<number>(), 6: new Set<number>() }
  /** The longest first. */
  readonly #sorted: { 4: readonly number[]; 6: readonly number[] } = { 4: [], 6: [] }
  #any: Found<R> | undefined

  add(route: R, source: readonly string[] | undefined): void {
    if (source === undefined) {
      if (this.#any === undefined || isBefore(route, this.#any.route)) this.#any = { route, length: -1 }
      return
    }
    for (const text of source) {
      const range = rangeOf(text)
      const { family, length } = range
      const key = rangeKey(range)
      const known = this.#ranges.get(key)
      this.#lengths[family].add(length)
      if (known === undefined || isBefore(route, known.route)) this.#ranges.set(key, { route, length })
    }
  }

  seal(): void {
    for (const family of [4, 6] as const) this.#sorted[family] = [...this.#lengths[family]].sort((a, b) => b - a)
  }

  find(address: SourceRange | undefined): Found<R> | undefined {
    if (address !== undefined) {
      for (const length of this.#sorted[address.family]) {
        const found = this.#ranges.get(rangeKey(around(address, length)))
        if (found !== undefined) return found
      }
    }
    return this.#any
  }
}
