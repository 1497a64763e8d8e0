import { type HookName, points } from '../../sdk/points.ts'
import type { Path } from '../config/problem.ts'
import {
  beginsWithTls,
  layerOf,
  listenerProtocols,
  protocolsOf,
  trafficOf,
  upstreamProtocols,
} from '../config/protocols.ts'
import { asList, asObject, asText, member } from '../config/untyped.ts'
import { type Attachment, hooksAt } from './attachments.ts'
import type { Draft } from './draft.ts'
import type { PolicyFacts } from './plugins.ts'

/** What L4 does not see of what a route may match. */
const unseen: Readonly<Record<string, string>> = {
  host: 'host name',
  path: 'path',
  methods: 'methods',
  headers: 'headers',
  query: 'query',
  cookies: 'cookies',
}

/** What only L4 listeners match, and what L7 has instead. */
const ofConnections: Readonly<Record<string, string>> = {
  serverName: 'serve requests; match their name with "host"',
  alpn: 'serve requests of all versions alike; set those that are spoken with "http" of the listener',
  source: 'do not match addresses; attach a policy of the plugin ip-restriction to the route',
}

/** Refuses fields that the layer of their listener or upstream cannot honour. */
export function checkLayers(draft: Draft): void {
  const { source, data, problems } = draft
  // Defaults do not count: only fields that the user wrote.
  const written = asObject(source.value)
  const readers = helloReaders(data)
  for (const [name, value] of Object.entries(asObject(data.listeners))) {
    const { protocol } = asObject(value)
    const listener = asObject(member(asObject(written.listeners), name))
    const at = ['listeners', name]
    if (layerOf(protocol) !== undefined) checkTls(draft, String(protocol), listener, readers.has(name), at)
    if (trafficOf(protocol) !== 'datagrams' && Object.hasOwn(listener, 'sessions'))
      problems.add(source, [...at, 'sessions'], `${protocol} listeners have no sessions; remove it`)
    if (trafficOf(protocol) === 'datagrams' && Object.hasOwn(listener, 'keepAlive'))
      problems.add(source, [...at, 'keepAlive'], `${protocol} listeners have no connections; remove it`)
    if (trafficOf(protocol) === 'datagrams' && Object.hasOwn(listener, 'maxConnections'))
      problems.add(
        source,
        [...at, 'maxConnections'],
        `${protocol} listeners have no connections; use "sessions": { "max": … }`,
      )
    if (trafficOf(protocol) === 'datagrams' && Object.hasOwn(listener, 'proxyProtocol'))
      problems.add(source, [...at, 'proxyProtocol'], `${protocol} listeners read no PROXY protocol; remove it`)
    if (layerOf(protocol) !== 'L4') continue
    const unseen = seesNo(String(protocol), 'headers')
    if (Object.hasOwn(listener, 'trustedProxies')) problems.add(source, [...at, 'trustedProxies'], unseen)
    if (Object.hasOwn(listener, 'underscores')) problems.add(source, [...at, 'underscores'], unseen)
    const clients = asObject(asObject(listener.tls).clientCertificate)
    if (Object.hasOwn(clients, 'forward')) problems.add(source, [...at, 'tls', 'clientCertificate', 'forward'], unseen)
    if (Object.hasOwn(listener, 'halfClose')) {
      const message =
        trafficOf(protocol) === 'datagrams'
          ? `${protocol} has no connections that could be half closed; remove "halfClose"`
          : `${protocol} listeners pass the end of each direction on; remove "halfClose"`
      problems.add(source, [...at, 'halfClose'], message)
    }
    if (Object.hasOwn(listener, 'http')) {
      problems.add(source, [...at, 'http'], `${protocol} listeners pass on whatever clients speak; remove it`)
    }
    if (Object.hasOwn(listener, 'minRate')) {
      problems.add(source, [...at, 'minRate'], `${protocol} listeners wait for no client in particular; remove it`)
    }
    const limits = Object.keys(asObject(listener.timeouts)).filter((limit) => limit !== 'handshake')
    const isEmpty = Object.hasOwn(listener, 'timeouts') && Object.keys(asObject(listener.timeouts)).length === 0
    if (limits.length > 0 || isEmpty) {
      const message = `${protocol} listeners do not wait for requests; use "timeouts" of the upstream`
      const where = beginsWithTls(protocol) && !isEmpty ? limits.map((limit) => ['timeouts', limit]) : [['timeouts']]
      for (const below of where) problems.add(source, [...at, ...below], message)
    }
  }
  for (const [name, value] of Object.entries(asObject(data.upstreams))) {
    const { protocol } = asObject(value)
    const upstream = asObject(member(asObject(written.upstreams), name))
    checkDatagrams(draft, protocol, upstream, ['upstreams', name])
    if (layerOf(protocol) !== 'L4') continue
    const timeouts = asObject(upstream.timeouts)
    const at = ['upstreams', name, 'timeouts']
    if (Object.hasOwn(upstream, 'http'))
      problems.add(
        source,
        ['upstreams', name, 'http'],
        `${protocol} upstreams pass on whatever clients speak; remove it`,
      )
    if (Object.hasOwn(timeouts, 'response'))
      problems.add(source, [...at, 'response'], `${protocol} upstreams see no responses; use "idle"`)
    checkRetry(draft, String(protocol), asObject(upstream.retry), ['upstreams', name, 'retry'])
    if (Object.hasOwn(timeouts, 'tunnel'))
      problems.add(source, [...at, 'tunnel'], `${protocol} upstreams see no upgrades; use "idle"`)
  }
  checkRoutes(draft)
}

/** Refuses settings of TLS without it, and TLS without certificates. */
function checkTls(
  { source, problems }: Draft,
  protocol: string,
  listener: Readonly<Record<string, unknown>>,
  readsHello: boolean,
  at: Path,
): void {
  if (beginsWithTls(protocol)) {
    if (Object.hasOwn(listener, 'tls')) return
    const example = '"tls": { "certificates": [{ "cert": "web.crt", "key": "web.key" }] }'
    problems.add(source, [...at, 'tls'], `is missing: ${protocol} listeners need a certificate; add ${example}`)
    return
  }
  const other = { http: 'use "protocol": "https", or ', tcp: 'use "protocol": "tls", or ' }[protocol] ?? ''
  const message = `${protocol} listeners do not use TLS; ${other}remove it`
  if (Object.hasOwn(listener, 'tls')) problems.add(source, [...at, 'tls'], message)
  // What tcp listeners wait for before the flow has this limit, too.
  const waits = readsHello || (protocol === 'tcp' && Object.hasOwn(listener, 'proxyProtocol'))
  if (waits || !Object.hasOwn(asObject(listener.timeouts), 'handshake')) return
  const unless = protocol === 'tcp' ? ', unless a route matches "serverName" or "alpn"' : ''
  problems.add(source, [...at, 'timeouts', 'handshake'], `${message}${unless}`)
}

/** Asked for each attachment, of which there may be as many as routes. */
const readersOf = new WeakMap<object, ReadonlySet<string>>()

/** Names of the tcp listeners that read the ClientHello of TLS that they pass on, since a route asks for it. */
export function helloReaders(data: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  const known = readersOf.get(data)
  if (known !== undefined) return known
  const readers = new Set<string>()
  readersOf.set(data, readers)
  const listeners = asObject(data.listeners)
  for (const route of Object.values(asObject(data.routes))) {
    const { listener, match } = asObject(route)
    const { serverName, alpn } = asObject(match)
    const name = asText(listener)
    if (name === undefined || (serverName ?? alpn) === undefined) continue
    if (asObject(member(listeners, name)).protocol === 'tcp') readers.add(name)
  }
  return readers
}

/** Fields of `health` that a udp upstream can have; all others belong to a probe over a connection. */
const ofUdpProbes = ['udp', 'tcp', 'interval', 'timeout', 'rise', 'fall', 'passive']

/** Refuses on udp upstreams what needs a connection, and elsewhere what needs datagrams. */
function checkDatagrams(
  { source, problems }: Draft,
  protocol: unknown,
  upstream: Readonly<Record<string, unknown>>,
  at: Path,
): void {
  const health = asObject(upstream.health)
  if (trafficOf(protocol) !== 'datagrams') {
    if (trafficOf(protocol) === undefined) return
    if (Object.hasOwn(upstream, 'responses'))
      problems.add(source, [...at, 'responses'], `${protocol} upstreams do not count datagrams; remove it`)
    for (const field of ['udp', 'tcp']) {
      const message = `${protocol} upstreams are probed at the port of each backend; remove it`
      if (Object.hasOwn(health, field)) problems.add(source, [...at, 'health', field], message)
    }
    return
  }
  for (const field of ['keepAlive', 'source', 'maxConnections']) {
    const message = `${protocol} upstreams have no connections; remove it`
    if (Object.hasOwn(upstream, field)) problems.add(source, [...at, field], message)
  }
  if (Object.hasOwn(upstream, 'proxyProtocol'))
    problems.add(source, [...at, 'proxyProtocol'], `${protocol} upstreams send no PROXY protocol; remove it`)
  if (Object.hasOwn(upstream, 'tls'))
    problems.add(source, [...at, 'tls'], `${protocol} upstreams do not use TLS; remove it`)
  const others = Object.keys(health).filter((field) => !ofUdpProbes.includes(field))
  for (const field of others) {
    const message = `${protocol} backends have no connection to probe; use "udp": { "send": "…" } or "tcp": <port>`
    problems.add(source, [...at, 'health', field], message)
  }
  if (typeof upstream.health !== 'object' || others.length > 0) return
  const probes = ['udp', 'tcp'].filter((probe) => Object.hasOwn(health, probe))
  if (probes.length > 1) problems.add(source, [...at, 'health'], 'has both "udp" and "tcp"; keep one')
  // A policy may be the probe.
  if (probes.length === 0 && asList(upstream.policies).length === 0)
    problems.add(source, [...at, 'health'], 'has no probe; add "udp": { "send": "…" } or "tcp": <port>, or remove it')
}

/** Refuses what only requests can be sent again for. */
function checkRetry(
  { source, problems }: Draft,
  protocol: string,
  retry: Readonly<Record<string, unknown>>,
  at: Path,
): void {
  const message = `${protocol} upstreams see no requests; only "connect" can be followed by another attempt`
  for (const [index, cause] of asList(retry.on).entries()) {
    if (cause !== 'connect') problems.add(source, [...at, 'on', index], message)
  }
  if (Object.hasOwn(retry, 'idempotent'))
    problems.add(source, [...at, 'idempotent'], `${protocol} upstreams see no methods; remove it`)
}

function checkRoutes({ source, data, problems }: Draft): void {
  const listeners = asObject(data.listeners)
  const upstreams = asObject(data.upstreams)
  for (const [name, value] of Object.entries(asObject(data.routes))) {
    const route = asObject(value)
    const at: Path = ['routes', name]
    const listener = asText(route.listener) ?? ''
    const upstream = asText(route.upstream) ?? ''
    const protocol = asText(asObject(member(listeners, listener)).protocol)
    const backend = asText(asObject(member(upstreams, upstream)).protocol)
    const here = trafficOf(protocol)
    const there = trafficOf(backend)
    if (here !== undefined && there !== undefined && here !== there) {
      const usable = protocolsOf(here, upstreamProtocols, JSON.stringify)
      const message = `upstream "${upstream}" is ${backend} and listener "${listener}" is ${protocol}; use an upstream with "protocol": ${usable}`
      problems.add(source, [...at, 'upstream'], message)
    }
    for (const field of Object.keys(asObject(route.match))) {
      const message = whyUnseen(field, protocol)
      if (message !== undefined) problems.add(source, [...at, 'match', field], message)
    }
    if (protocol === undefined || layerOf(protocol) !== 'L4') continue
    if (asList(route.pathExceptions).length > 0)
      problems.add(source, [...at, 'pathExceptions'], seesNo(protocol, 'path'))
    if (Object.hasOwn(route, 'reply')) {
      const message = `${protocol} listeners cannot reply; name an upstream, or use an ${protocolsOf('requests', listenerProtocols)} listener`
      problems.add(source, [...at, 'reply'], message)
    }
    for (const [field, what] of [
      ['rewrite', 'path'],
      ['headers', 'headers'],
    ] as const) {
      if (Object.hasOwn(route, field)) problems.add(source, [...at, field], seesNo(protocol, what))
    }
    for (const field of ['timeout', 'timeouts']) {
      if (!Object.hasOwn(route, field)) continue
      problems.add(source, [...at, field], `${protocol} listeners see no requests; use "timeouts" of the upstream`)
    }
  }
}

/** What to write instead of a condition that the listener of a route cannot see. */
function whyUnseen(field: string, protocol: string | undefined): string | undefined {
  const layer = layerOf(protocol)
  if (protocol === undefined || layer === undefined) return undefined
  if (layer === 'L7')
    return Object.hasOwn(ofConnections, field) ? `${protocol} listeners ${ofConnections[field]}` : undefined
  if (field === 'host')
    return `${seesNo(protocol, unseen[field]!)}, or match the name in the client's TLS with "serverName"`
  if (trafficOf(protocol) === 'datagrams' && (field === 'serverName' || field === 'alpn'))
    return `${protocol} listeners see no TLS; match only "source"`
  return Object.hasOwn(unseen, field) ? seesNo(protocol, unseen[field]!) : undefined
}

function seesNo(protocol: string, what: string): string {
  return `${protocol} listeners see no ${what}; use an ${protocolsOf('requests', listenerProtocols)} listener`
}

/** Refuses a policy that could never run where it is attached, and one whose options name an upstream of the other layer. */
export function checkAttachment({ source, data, problems }: Draft, attachment: Attachment, facts: PolicyFacts): void {
  const { policy, level, name, layer, path } = attachment
  if (layer === undefined) return
  const { hooks, name: plugin } = facts.plugin.manifest
  const here = hooksAt(attachment, layer)
  const who = `policy "${policy}" (plugin ${plugin})`
  if (!hooks.some((hook) => here.includes(hook))) {
    const has = hooks.length === 0 ? 'it has no hooks' : `it has only ${hooks.join(', ')}`
    problems.add(source, path, `${who} never runs here: ${has}, and ${whyNot(attachment, hooks, data)}`)
    return
  }
  if (level === 'upstream' && facts.scopes.writes.includes('upstream')) {
    const message = `${who} chooses the upstream, but here the upstream is already chosen; attach it to the listener or the route`
    problems.add(source, path, message)
  }
  for (const upstream of facts.upstreams) {
    const { protocol } = asObject(member(asObject(data.upstreams), upstream))
    const here = trafficOf(attachment.protocol)
    const there = trafficOf(protocol)
    if (here === undefined || there === undefined || there === here) continue
    const message = `${who} sends to upstream "${upstream}", which is ${protocol}; ${level} "${name}" needs an upstream that is ${protocolsOf(here, upstreamProtocols)}`
    problems.add(source, path, message)
  }
}

function whyNot({ protocol, layer, level, name }: Attachment, hooks: readonly HookName[], data: Draft['data']): string {
  if (hooks.every((hook) => points[hook].layers.includes('upstream'))) {
    if (level !== 'upstream') return `only an upstream has backends to check; attach it to the upstream`
    return `"health" of upstream "${name}" is false, so there are no health checks; remove that setting or the policy`
  }
  const listener = level === 'route' ? asText(asObject(member(asObject(data.routes), name)).listener) : name
  if (layer === 'L4' && level !== 'upstream' && helloReaders(data).has(listener ?? ''))
    return `listener "${listener}" passes TLS on without decrypting it, so it sees no requests; use an https listener`
  if (layer === 'L4')
    return `${protocol} has ${trafficOf(protocol)}, not requests; use it with an ${protocolsOf('requests', listenerProtocols)} listener`
  if (level !== 'listener') {
    const what = hooks.includes('onConnect') ? 'onConnect runs before a request has' : 'a connection ends without'
    return `${what} a route; attach it to the listener`
  }
  return `an ${protocol} listener runs none of these`
}

/** The deciding hooks of a policy, when none of them runs where it is attached and only its observing hooks do. */
export function idleHooks(attachment: Attachment, { plugin }: PolicyFacts): string[] {
  if (attachment.layer === undefined) return []
  const here = hooksAt(attachment, attachment.layer)
  const deciding = plugin.manifest.hooks.filter((hook) => points[hook].kind !== 'observe')
  return deciding.some((hook) => here.includes(hook)) ? [] : deciding
}
