import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { version } from '../../../core/cli/version.ts'
import { certificate, keys, type Peer, type Site, type Work } from './peer.ts'

/** Plugins of the bench itself. */
const ownPlugins = join(import.meta.dirname, '../plugins')
/** This gateway, as `postern run` runs it: supervisor, workers, watchdog, health checks, access log. */
export const postern: Peer = posternAt(join(import.meta.dirname, '../../..'), 'postern')

/** The gateway of a checkout, its packages installed. */
export function posternAt(root: string, name: string): Peer {
  const command: Peer['command'] = (work, site) => {
    const config = join(site.folder, 'gateway.json')
    if (work.plugins === 5) cpSync(ownPlugins, join(site.folder, 'plugins'), { recursive: true })
    writeFileSync(config, JSON.stringify(configOf(work, site), undefined, 2))
    const { execPath } = process
    const main = join(root, 'core/main.ts')
    return [execPath, '--no-node-snapshot', main, 'run', '-c', config, '--workers', `${work.workers ?? 1}`]
  }
  return { name, missing: () => undefined, version, command }
}

const policies = {
  keys: { plugin: 'key-auth', options: { keys } },
  budget: { plugin: 'rate-limit', options: { points: 1_000_000_000, duration: '1h', key: 'consumer' } },
  beta: { plugin: 'header-route', options: { rules: [{ header: 'x-beta', equals: '1', upstream: 'beta' }] } },
  firstMark: { plugin: 'mark', options: { header: 'x-first-mark' } },
  secondMark: { plugin: 'mark', options: { header: 'x-second-mark' } },
}

/** What belongs to this repository and what does not would not share an isolate by itself. */
const oneGroup = Object.fromEntries(Object.values(policies).map(({ plugin }) => [plugin, { group: 'bench' }]))

function configOf(work: Work, site: Site): unknown {
  const { layer, plugins, routes, upstreams = 1, accessLog = true, healthChecks = true, tls, http2, grpc } = work
  const { passthrough } = work
  const protocol = { protocol: layer }
  const names = namesOf(plugins)
  const route = { listener: 'in', upstream: 'stable', policies: names }
  const health = healthChecks ? {} : { health: false }
  const stable = {
    ...protocol,
    ...health,
    ...(grpc ? { http: '2' } : {}),
    backends: [{ address: `127.0.0.1:${site.stable}` }],
  }
  const upstreamOf = (index: number): string => (upstreams === 1 ? 'stable' : `u${index % upstreams}`)
  const exact = list(routes ?? 0, (i) => [`r${i}`, { ...route, match: { path: `/r/${i}` }, upstream: upstreamOf(i) }])
  return {
    listeners: {
      in: {
        ...(tls ? encrypted : protocol),
        ...(work.proxyProtocol ? { proxyProtocol: { from: ['127.0.0.1'] } } : {}),
        ...(http2 || grpc ? { http: ['1.1', '2'] } : {}),
        address: '127.0.0.1',
        port: site.port,
      },
    },
    routes: routes === undefined ? { all: passthrough === 'name' ? { ...route, match: byName } : route } : exact,
    upstreams: {
      ...list(upstreams, (i) => [upstreamOf(i), stable]),
      // One that nothing leads to is refused.
      ...(plugins >= 3 ? { beta: { backends: [{ address: `127.0.0.1:${site.beta}` }] } } : {}),
    },
    policies: Object.fromEntries(Object.entries(policies).slice(0, plugins)),
    ...(plugins === 5 ? { plugins: oneGroup } : {}),
    ...(accessLog ? {} : { log: { access: false } }),
  }
}

const byName = { serverName: 'localhost' }

const encrypted = { protocol: 'https', tls: { certificates: [certificate] } }

/** Whoever chooses the upstream comes last: those behind it could not cross together with those before it. */
function namesOf(plugins: number): string[] {
  const names = Object.keys(policies).slice(0, plugins)
  return plugins === 5 ? [...names.filter((name) => name !== 'beta'), 'beta'] : names
}

function list(length: number, entry: (index: number) => [string, unknown]): Record<string, unknown> {
  return Object.fromEntries(Array.from({ length }, (_, index) => entry(index)))
}
