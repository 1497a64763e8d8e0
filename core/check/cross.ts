import type { Path } from '../config/problem.ts'
import { layerOf } from '../config/protocols.ts'
import type { Source } from '../config/source.ts'
import { didYouMean, suggest } from '../config/suggest.ts'
import { asList, asObject, asText, member } from '../config/untyped.ts'
import { unixPath } from '../net/unix-address.ts'
import { findConflicts } from '../route/conflicts.ts'
import { findConnectionConflicts } from '../route/connection-conflicts.ts'
import type { MatchConfig } from '../route/match.ts'
import type { Draft } from './draft.ts'
import { normalizeMatch } from './normalize.ts'

/** What the schema cannot express: names that must exist, and fields that exclude each other. */
export function checkCross(draft: Draft): void {
  checkAddresses(draft)
  checkRoutes(draft)
  checkUpstreams(draft)
  checkConflicts(draft)
}

function checkAddresses({ source, data, problems }: Draft): void {
  const paths = new Map<string, string>()
  const taken: { name: string; address: string; port: number; isUdp: boolean }[] = []
  for (const [name, value] of Object.entries(asObject(data.listeners))) {
    const { address, port, protocol } = asObject(value)
    const isUdp = protocol === 'udp'
    if (typeof address !== 'string') continue
    const path = unixPath(address)
    const report = (key: string, message: string): void => problems.add(source, ['listeners', name, key], message)
    checkEndpoint(asObject(value), path, report)
    const before = path === undefined ? undefined : paths.get(path)
    if (before !== undefined) report('address', `listener "${before}" already uses this path`)
    if (path !== undefined) paths.set(path, name)
    if (path !== undefined || typeof port !== 'number' || port === 0) continue
    const other = taken.find((one) => one.port === port && one.isUdp === isUdp && overlap(one.address, address))
    if (other !== undefined) {
      const where =
        other.address === address ? `${show(address)} port ${port}` : `port ${port} of ${show(other.address)}`
      problems.add(source, ['listeners', name, 'port'], `listener "${other.name}" already uses ${where}`)
    }
    taken.push({ name, address, port, isUdp })
  }
}

/** A listener has either a port or the path of a Unix socket. */
function checkEndpoint(
  listener: Readonly<Record<string, unknown>>,
  path: string | undefined,
  report: (key: string, message: string) => void,
): void {
  if (path === undefined) {
    const isMisspelt = Object.keys(listener).some((key) => suggest(key, ['port']) !== undefined)
    if (!Object.hasOwn(listener, 'port') && !isMisspelt) report('port', 'is missing: Port to bind')
    if (Object.hasOwn(listener, 'mode')) report('mode', 'only the path of a Unix socket has one; remove it')
    return
  }
  if (Object.hasOwn(listener, 'port')) report('port', 'a Unix socket has no port; remove it')
  if (listener.protocol === 'udp') report('address', 'datagrams come to a port; a Unix socket takes connections')
}

/** `::` binds IPv4 too, so it overlaps with every address. */
function overlap(x: string, y: string): boolean {
  if (x === y || x === '::' || y === '::') return true
  return (x === '0.0.0.0' && !y.includes(':')) || (y === '0.0.0.0' && !x.includes(':'))
}

function show(address: string): string {
  return address === '::' ? 'every address' : address
}

function checkRoutes({ source, data, problems }: Draft): void {
  const listeners = asObject(data.listeners)
  const upstreams = asObject(data.upstreams)
  for (const [name, value] of Object.entries(asObject(data.routes))) {
    const route = asObject(value)
    const at = ['routes', name]
    const listener = asText(route.listener)
    if (listener !== undefined && !Object.hasOwn(listeners, listener) && !isMisspelt(source, 'listeners')) {
      const near = didYouMean(listener, Object.keys(listeners))
      problems.add(source, [...at, 'listener'], `there is no listener "${listener}"${near}`)
    }
    const upstream = asText(route.upstream)
    if (upstream !== undefined && !Object.hasOwn(upstreams, upstream) && !isMisspelt(source, 'upstreams')) {
      const near = didYouMean(upstream, Object.keys(upstreams))
      problems.add(source, [...at, 'upstream'], `there is no upstream "${upstream}"${near}`)
    }
    if (Object.hasOwn(route, 'reply') && Object.hasOwn(route, 'timeouts')) {
      problems.add(source, [...at, 'timeouts'], 'a route with "reply" waits for no backend; remove it')
    }
    if (Object.hasOwn(route, 'upstream') && Object.hasOwn(route, 'reply')) {
      problems.add(source, at, 'has both "upstream" and "reply"; keep one')
    } else if (!hasGoal(route) && typeof value === 'object') {
      problems.add(source, at, 'has neither "upstream" nor "reply"; add one')
    }
    const reply = asObject(route.reply)
    if (Object.hasOwn(route, 'reply'))
      checkReply(reply, (field, message) => problems.add(source, [...at, 'reply', field], message))
    checkHeaderNames(asObject(asObject(route.match).headers), (header, message) =>
      problems.add(source, [...at, 'match', 'headers', header], message),
    )
  }
}

/** The section is there under a wrong name, which is reported once, and not again for each name that would be in it. */
function isMisspelt({ value }: Source, section: string): boolean {
  const written = asObject(value)
  return !Object.hasOwn(written, section) && Object.keys(written).some((name) => suggest(name, [section]) !== undefined)
}

/** True also for a misspelt `upstream` or `reply`, which is already reported as an unknown field. */
function hasGoal(route: Readonly<Record<string, unknown>>): boolean {
  if (Object.hasOwn(route, 'upstream')) return true
  return Object.keys(route).some((field) => suggest(field, ['upstream', 'reply']) !== undefined)
}

function checkReply(reply: Readonly<Record<string, unknown>>, problem: (field: string, message: string) => void): void {
  const status = member(reply, 'status')
  if (Object.hasOwn(reply, 'redirect')) {
    if (Object.hasOwn(reply, 'body')) problem('body', 'a redirect has no body; remove one of "redirect" and "body"')
    if (Object.hasOwn(reply, 'drainStatus')) problem('drainStatus', 'a redirect stays one; remove it')
    if (typeof status === 'number' && ![301, 302, 303, 307, 308].includes(status)) {
      problem('status', `${status} is not a redirect status; use 301, 302, 303, 307 or 308`)
    }
  } else if (Object.hasOwn(reply, 'body') && typeof status === 'number' && [204, 205, 304].includes(status)) {
    problem('body', `a response with status ${status} has no body; remove it or change the status`)
  }
}

function checkHeaderNames(
  headers: Readonly<Record<string, unknown>>,
  problem: (name: string, message: string) => void,
): void {
  const seen = new Map<string, string>()
  for (const name of Object.keys(headers)) {
    const first = seen.get(name.toLowerCase())
    if (first !== undefined) problem(name, `is the same header name as "${first}"; keep one`)
    seen.set(name.toLowerCase(), name)
  }
}

/** Fields of `health` that only a probe by HTTP can honour, and what they set. */
const ofHttpProbes = { status: 'status', host: 'Host', method: 'method', headers: 'headers' }

function checkUpstreams({ source, data, problems }: Draft): void {
  const written = asObject(asObject(source.value).upstreams)
  for (const [name, value] of Object.entries(asObject(data.upstreams))) {
    const seen = new Map<string, number>()
    for (const [index, backend] of asList(asObject(value).backends).entries()) {
      const address = asText(asObject(backend).address)?.toLowerCase()
      if (address === undefined) continue
      if (asObject(value).protocol === 'udp' && unixPath(address) !== undefined) {
        const message = 'datagrams go to a host and port; a Unix socket takes connections'
        problems.add(source, ['upstreams', name, 'backends', index, 'address'], message)
      }
      const first = seen.get(address)
      if (first === undefined) seen.set(address, index)
      else
        problems.add(
          source,
          ['upstreams', name, 'backends', index, 'address'],
          `is the same backend as [${first}]; use "weight" for a larger share`,
        )
    }
    const health = asObject(asObject(member(written, name)).health)
    for (const [field, what] of Object.entries(ofHttpProbes)) {
      if (!Object.hasOwn(health, field) || Object.hasOwn(health, 'path')) continue
      // No probe of udp has it; checkLayers says so.
      if (asObject(value).protocol === 'udp') continue
      const isGrpc = Object.hasOwn(health, 'grpc')
      if (isGrpc && (field === 'host' || field === 'headers')) continue
      const message = isGrpc
        ? `the gRPC health check has its own ${what}; remove it`
        : `a TCP connect has no ${what}; add "path" to probe with an HTTP request`
      problems.add(source, ['upstreams', name, 'health', field], message)
    }
    checkConnections(asObject(value), (at, message) => problems.add(source, ['upstreams', name, ...at], message))
    if (Object.hasOwn(health, 'grpc')) {
      const { http, tls } = asObject(value)
      const at = ['upstreams', name, 'health', 'grpc']
      if (Object.hasOwn(health, 'path'))
        problems.add(source, at, 'a probe is one of gRPC or a request for a path; keep "grpc" or "path"')
      else if (http !== '2' && (http !== 'auto' || tls === undefined))
        problems.add(source, at, 'gRPC needs HTTP/2; add "http": "2" to the upstream')
    }
    checkHeaderNames(asObject(health.headers), (header, message) =>
      problems.add(source, ['upstreams', name, 'health', 'headers', header], message),
    )
  }
}

/** Over HTTP/2 requests share connections, so that counting those with a request limits neither. */
function checkConnections(
  upstream: Readonly<Record<string, unknown>>,
  report: (at: Path, message: string) => void,
): void {
  const { http, backends } = upstream
  if (http !== '2' && http !== 'auto') return
  const message = `with "http": "${http}" requests share connections; remove it, or use "http": "1.1"`
  if (Object.hasOwn(upstream, 'maxConnections')) report(['maxConnections'], message)
  for (const [index, backend] of asList(backends).entries()) {
    if (Object.hasOwn(asObject(backend), 'maxConnections')) report(['backends', index, 'maxConnections'], message)
  }
}

function checkConflicts({ source, data, problems }: Draft): void {
  const byListener = new Map<string, { name: string; match: MatchConfig }[]>()
  const listeners = asObject(data.listeners)
  const all = asObject(data.routes)
  for (const name of source.keysOf(['routes'])) {
    const { listener, match } = asObject(member(all, name))
    if (typeof listener !== 'string' || layerOf(asObject(member(listeners, listener)).protocol) === undefined) continue
    if (typeof match !== 'object' || problems.touches(source, ['routes', name, 'match'])) continue
    const route = { name, match: normalizeMatch(match as MatchConfig) }
    const routes = byListener.get(listener)
    if (routes === undefined) byListener.set(listener, [route])
    else routes.push(route)
  }
  for (const [listener, routes] of byListener) {
    const isL4 = layerOf(asObject(member(listeners, listener)).protocol) === 'L4'
    for (const { a, b, kind, both, remedy } of isL4 ? findConnectionConflicts(routes) : findConflicts(routes)) {
      if (kind === 'same') problems.add(source, ['routes', b], `conflicts with route "${a}": ${both}: ${remedy}`)
    }
  }
}
