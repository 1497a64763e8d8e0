import type { AcmeConfig } from '../acme/acme-config.ts'
import { layerOf, upstreamProtocols } from '../config/protocols.ts'
import type {
  Config,
  ConnectionLimits,
  DrainConfig,
  HeaderEditsConfig,
  HealthConfig,
  ListenerConfig,
  ListenerLimits,
  PluginConfig,
  PolicyConfig,
  ReplyConfig,
  RouteConfig,
  RouteTimeouts,
  UpstreamConfig,
} from '../config/types.ts'
import { parseDuration, parseSize } from '../config/units.ts'
import { type Origin, parseOrigin } from '../grants/origin.ts'
import type { KeepAlive } from '../net/keep-alive.ts'
import { unixPath } from '../net/unix-address.ts'
import { parseAuthority } from '../route/authority.ts'
import { ranksOf } from '../route/conflicts.ts'
import { connectionRanksOf } from '../route/connection-conflicts.ts'
import type { MatchConfig } from '../route/match.ts'
import type { Matchable } from '../route/table.ts'
import type { Isolation } from '../sandbox/group-name.ts'
import type { Limits } from '../sandbox/plugin.ts'
import type { UpstreamTls } from '../tls/client-context.ts'
import type { ServerTlsConfig } from '../tls/server-config.ts'

/** What a file holds once it fits the schema and its defaults are filled in. */
interface Written {
  readonly listeners: Record<string, WrittenListener>
  readonly routes: Record<string, WrittenRoute>
  readonly upstreams: Record<string, WrittenUpstream>
  readonly plugins: Record<string, WrittenPlugin>
  readonly log: Config['log']
  readonly workers: 'auto' | number
  readonly drain: string | { readonly delay?: string; readonly timeout: string }
}

interface WrittenKeepAlive {
  readonly idle: string
  readonly interval: string
  readonly count: number
}

type WrittenListener = Omit<ListenerConfig, 'http' | 'keepAlive' | 'limits' | 'mode' | 'port' | 'timeouts' | 'tls'> & {
  readonly keepAlive?: WrittenKeepAlive
  readonly port?: number
  readonly mode?: string
  readonly limits?: WrittenListenerLimits
  readonly http?: ListenerConfig['http']
  readonly timeouts: { handshake: string; head: string; idle: string; keepAlive: string }
}

type WrittenRoute = Omit<RouteConfig, 'reply' | 'timeout' | 'timeouts'> & {
  readonly reply?: Partial<ReplyConfig>
  readonly timeout?: string
  readonly timeouts?: { readonly [limit in keyof RouteTimeouts]: string }
}

type WrittenUpstream = Omit<
  UpstreamConfig,
  'health' | 'http' | 'keepAlive' | 'limits' | 'retry' | 'timeouts' | 'tls'
> & {
  readonly keepAlive?: WrittenKeepAlive
  readonly limits?: WrittenLimits
  readonly http?: UpstreamConfig['http']
  readonly health?: false | WrittenHealth
  readonly retry: Omit<UpstreamConfig['retry'], 'within'> & { readonly within?: string }
  readonly timeouts: { connect: string; response: string; idle?: string; tunnel: string; write?: string }
}

interface WrittenLimits {
  readonly connectionAge?: string
}

type WrittenListenerLimits = WrittenLimits & Pick<ListenerLimits, 'requestsPerConnection'>

type WrittenHealth = Partial<Omit<HealthConfig, 'enabled' | 'interval' | 'timeout'>> & {
  interval?: string
  timeout?: string
}

interface WrittenPlugin {
  readonly source?: string
  readonly fetch: readonly (string | { readonly origin: string; readonly private: boolean })[]
  readonly allow?: NonNullable<PluginConfig['allow']>
  readonly limits: {
    readonly memory: string
    readonly time: string
    readonly wait: string
    readonly operations: number
  }
  readonly group?: string
  readonly isolation?: 'group' | 'plugin'
}

/**
 * Converts checked data to `Config`. `data` fits the schema and has its defaults filled in.
 *
 * @param routeNames in the order written
 * @param listenerTls of each listener that has it: its files have been read
 * @param upstreamTls of each upstream that has it
 * @param acme of all listeners
 */
export function normalizeConfig(
  data: unknown,
  policies: ReadonlyMap<string, unknown>,
  routeNames: readonly string[],
  listenerTls: ReadonlyMap<string, ServerTlsConfig>,
  upstreamTls: ReadonlyMap<string, UpstreamTls>,
  acme: readonly AcmeConfig[],
): Config {
  const { listeners, routes, upstreams, plugins, log, workers, drain } = data as Written
  const ranks = ranksOfAll(routes, routeNames, listeners)
  return {
    listeners: mapNames(listeners, (listener, name) => listenerOf(listener, listenerTls.get(name))),
    routes: mapNames(routes, (route, name) => routeOf(route, ranks.get(name))),
    upstreams: mapNames(upstreams, (upstream, name) => upstreamOf(upstream, upstreamTls.get(name))),
    policies: mapNames(Object.fromEntries(policies), policyOf),
    plugins: mapNames(plugins, pluginOf),
    acme,
    log: { level: log.level, access: log.access },
    workers,
    drain: drainOf(drain),
  }
}

/** The rank of each route in the table of its listener. */
function ranksOfAll(
  routes: Written['routes'],
  names: readonly string[],
  listeners: Written['listeners'],
): ReadonlyMap<string, number> {
  const byListener = new Map<string, Matchable[]>()
  for (const name of names) {
    const { listener, match } = routes[name]!
    const one = { name, match: normalizeMatch(match) }
    const list = byListener.get(listener)
    if (list === undefined) byListener.set(listener, [one])
    else list.push(one)
  }
  return new Map(
    [...byListener].flatMap(([listener, list]) => {
      const isL4 = layerOf(listeners[listener]!.protocol) === 'L4'
      return [...(isL4 ? connectionRanksOf(list) : ranksOf(list))]
    }),
  )
}

/** The `fetch` of a plugin's entry. */
export function normalizeOrigins(fetch: unknown): Origin[] {
  return (fetch as WrittenPlugin['fetch']).map((entry) => {
    return typeof entry === 'string' ? parseOrigin(entry) : parseOrigin(entry.origin, entry.private)
  })
}

/** The match of a route, normalised as requests are: host and header names in lower case. */
export function normalizeMatch(match: MatchConfig): MatchConfig {
  const { host, path, methods, headers, query, cookies, serverName, alpn, source } = match
  return {
    ...(host !== undefined && { host: hostOf(host) }),
    ...(path !== undefined && { path }),
    ...(methods !== undefined && { methods: [...methods] }),
    ...(headers !== undefined && { headers: lowerKeys(headers) }),
    ...(query !== undefined && { query: mapNames(query, (value) => value) }),
    ...(cookies !== undefined && { cookies: mapNames(cookies, (value) => value) }),
    ...(serverName !== undefined && { serverName: serverName.toLowerCase() }),
    ...(alpn !== undefined && { alpn: [...alpn] }),
    ...(source !== undefined && { source: [...source] }),
  }
}

export function normalizeLimits(limits: unknown): Limits {
  const { memory, time, wait, operations } = limits as WrittenPlugin['limits']
  return { memory: number(parseSize(memory)), time: ms(time), wait: ms(wait), operations }
}

/** Where a plugin runs, from its entry. */
export function normalizeIsolation(entry: unknown): Isolation {
  const { group, isolation } = entry as Partial<WrittenPlugin>
  return { ...(group !== undefined && { group }), ...(isolation !== undefined && { isolation }) }
}

function drainOf(drain: Written['drain']): DrainConfig {
  if (typeof drain === 'string') return { delay: 0, timeout: ms(drain) }
  // 0 is not a duration, so "no delay" is the absence of the field.
  return { delay: drain.delay === undefined ? 0 : ms(drain.delay), timeout: ms(drain.timeout) }
}

function listenerOf(listener: WrittenListener, tls: ServerTlsConfig | undefined): ListenerConfig {
  const {
    protocol,
    address,
    port = 0,
    mode = '0660',
    maxConnections,
    trustedProxies,
    underscores,
    halfClose,
    policies,
    timeouts,
    minRate,
    sessions,
    limits,
  } = listener
  const { proxyProtocol } = listener
  const { http = protocol === 'https' ? (['1.1', '2'] as const) : (['1.1'] as const) } = listener
  return {
    protocol,
    address,
    port,
    ...(unixPath(address) !== undefined && { mode: Number.parseInt(mode, 8) }),
    ...(maxConnections !== undefined && { maxConnections }),
    ...(listener.keepAlive !== undefined && { keepAlive: keepAliveOf(listener.keepAlive) }),
    trustedProxies: [...trustedProxies],
    ...(proxyProtocol !== undefined && {
      proxyProtocol: { from: [...proxyProtocol.from], required: proxyProtocol.required },
    }),
    underscores,
    http: [...http],
    halfClose,
    policies: [...policies],
    ...(tls !== undefined && { tls }),
    timeouts: {
      handshake: ms(timeouts.handshake),
      head: ms(timeouts.head),
      idle: ms(timeouts.idle),
      keepAlive: ms(timeouts.keepAlive),
    },
    ...(minRate !== undefined && { minRate }),
    ...(protocol === 'udp' && { sessions: sessions ?? { max: 65_536, whenFull: 'oldest' } }),
    ...(limits !== undefined && { limits: listenerLimits(limits) }),
  }
}

function routeOf(route: WrittenRoute, rank: number | undefined): RouteConfig {
  const { listener, match, pathExceptions, policies, upstream, reply, rewrite, headers, timeout, timeouts } = route
  return {
    listener,
    match: normalizeMatch(match),
    ...(rank !== undefined && { rank }),
    pathExceptions: [...pathExceptions],
    policies: [...policies],
    ...(upstream !== undefined && { upstream }),
    ...(reply !== undefined && {
      reply: { ...reply, status: reply.status ?? (reply.redirect === undefined ? 200 : 302) },
    }),
    ...(rewrite !== undefined && { rewrite }),
    ...(headers !== undefined && { headers: mapNames(headers, editsOf) }),
    ...(timeout !== undefined && { timeout: ms(timeout) }),
    ...(timeouts !== undefined && { timeouts: mapNames(timeouts, ms) }),
  }
}

function editsOf({ set, append, remove }: HeaderEditsConfig): HeaderEditsConfig {
  return {
    ...(set !== undefined && { set: lowerKeys(set) }),
    ...(append !== undefined && { append: lowerKeys(append) }),
    ...(remove !== undefined && { remove: remove.map((name) => name.toLowerCase()) }),
  }
}

function upstreamOf(upstream: WrittenUpstream, tls: UpstreamTls | undefined): UpstreamConfig {
  const { protocol, http = '1.1', backends, balance, health, responses, retry, timeouts, limits, policies } = upstream
  const { attempts, within, on, idempotent } = retry
  const { proxyProtocol } = upstream
  return {
    protocol,
    backends: backends.map(({ address, weight, state, labels, maxConnections }) => {
      return {
        address,
        weight,
        state,
        ...(maxConnections !== undefined && { maxConnections }),
        ...(labels !== undefined && { labels: mapNames(labels, (value) => value) }),
      }
    }),
    http,
    ...(tls !== undefined && { tls }),
    ...(upstream.source !== undefined && { source: upstream.source }),
    ...(upstream.keepAlive !== undefined && { keepAlive: keepAliveOf(upstream.keepAlive) }),
    ...(upstream.maxConnections !== undefined && { maxConnections: upstream.maxConnections }),
    ...(proxyProtocol !== undefined && { proxyProtocol }),
    balance: typeof balance === 'object' ? { ...balance } : balance,
    ...(responses !== undefined && { responses }),
    // A datagram that is sent to see whether there is an answer means something to the backend.
    health: healthOf(health ?? (protocol === 'udp' ? false : {})),
    retry: { attempts, ...(within !== undefined && { within: ms(within) }), on: [...on], idempotent: [...idempotent] },
    timeouts: {
      connect: ms(timeouts.connect),
      response: ms(timeouts.response),
      idle: timeouts.idle === undefined ? upstreamProtocols[protocol].idle : ms(timeouts.idle),
      tunnel: ms(timeouts.tunnel),
      ...(timeouts.write !== undefined && { write: ms(timeouts.write) }),
    },
    ...(limits !== undefined && { limits: ageOf(limits) }),
    policies: [...policies],
  }
}

function listenerLimits({ requestsPerConnection: most, ...limits }: WrittenListenerLimits): ListenerLimits {
  return { ...ageOf(limits), ...(most !== undefined && { requestsPerConnection: most }) }
}

function ageOf({ connectionAge }: WrittenLimits): ConnectionLimits {
  return connectionAge === undefined ? {} : { connectionAge: ms(connectionAge) }
}

/** The kernel counts in seconds. */
function keepAliveOf({ idle, interval, count }: WrittenKeepAlive): KeepAlive {
  return { idle: Math.ceil(ms(idle) / 1000), interval: Math.ceil(ms(interval) / 1000), count }
}

function healthOf(health: false | WrittenHealth): HealthConfig {
  if (health === false) return { enabled: false, interval: 5_000, timeout: 2_000, rise: 2, fall: 2 }
  const { headers, interval = '5s', timeout = '2s', rise = 2, fall = 2, ...rest } = health
  return {
    ...rest,
    ...(headers !== undefined && { headers: lowerKeys(headers) }),
    enabled: true,
    interval: ms(interval),
    timeout: ms(timeout),
    rise,
    fall,
  }
}

function policyOf(policy: unknown): PolicyConfig {
  const { plugin, options, onFailure } = policy as PolicyConfig
  return { plugin, options, onFailure }
}

function pluginOf(entry: WrittenPlugin): PluginConfig {
  const { source, fetch, allow, limits } = entry
  return {
    ...(source !== undefined && { source }),
    ...normalizeIsolation(entry),
    fetch: normalizeOrigins(fetch),
    ...(allow !== undefined && { allow }),
    limits: normalizeLimits(limits),
  }
}

/** Normalised as the host of a request is. */
function hostOf(host: string): string {
  const wildcard = host.startsWith('*.') ? '*.' : ''
  const authority = parseAuthority(host.slice(wildcard.length))
  return 'problem' in authority ? host.toLowerCase() : wildcard + authority.host
}

function mapNames<T, R>(object: Readonly<Record<string, T>>, change: (value: T, name: string) => R): Record<string, R> {
  const result: Record<string, R> = Object.create(null)
  for (const name of Object.keys(object)) result[name] = change(object[name]!, name)
  return result
}

function lowerKeys(object: Readonly<Record<string, string>>): Record<string, string> {
  const result: Record<string, string> = Object.create(null)
  for (const name of Object.keys(object)) result[name.toLowerCase()] = object[name]!
  return result
}

function ms(text: string): number {
  return number(parseDuration(text))
}

function number(result: number | string): number {
  if (typeof result === 'string') throw new TypeError(`unchecked configuration: ${result}`)
  return result
}
