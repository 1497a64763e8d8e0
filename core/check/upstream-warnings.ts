import type { Path } from '../config/problem.ts'
import type { Source } from '../config/source.ts'
import type { Config, UpstreamConfig } from '../config/types.ts'
import type { UpstreamTls } from '../tls/client-context.ts'
import type { Attachment } from './attachments.ts'
import { expiryOf } from './expiry.ts'
import { certificatesOf } from './pem.ts'
import type { PolicyFacts } from './plugins.ts'
import { tierProblem } from './tiers.ts'

type Warn = (path: Path, message: string) => void

/** What is valid in upstreams, but most likely not intended. */
export function warnOfUpstreams(config: Config, source: Source, warn: Warn): void {
  for (const [name, upstream] of Object.entries(config.upstreams)) {
    warnOfBackends(name, upstream, config, warn)
    if (upstream.tls !== undefined) warnOfTls(['upstreams', name, 'tls'], upstream.tls, warn)
    else if (upstream.http === 'auto') {
      const message =
        'without "tls" backends cannot say what they speak, so "auto" is "1.1"; add "tls", or name the version'
      warn(['upstreams', name, 'http'], message)
    }
    const path = ['upstreams', name, 'health']
    // The default of the timeout is for the default of the interval.
    warnOfHealth(path, upstream, source.keysOf(path).includes('timeout'), warn)
  }
}

function warnOfBackends(name: string, { backends }: UpstreamConfig, config: Config, warn: Warn): void {
  if (backends.every(({ state }) => state === 'down')) {
    warn(['upstreams', name, 'backends'], 'every backend is "down", so every request is answered with 503')
  }
  for (const [index, { address }] of backends.entries()) {
    const problem = tierProblem(config, name, address)
    if (problem !== undefined) warn(['upstreams', name, 'backends', index, 'address'], problem)
  }
}

function warnOfTls(path: Path, { ca, cert, verify }: UpstreamTls, warn: Warn): void {
  if (!verify) {
    const message =
      'the certificates of these backends are not verified: anybody on the way can read and change everything; name their authority in "ca"'
    warn([...path, 'verify'], message)
  }
  // One authority of a list that is still valid is enough.
  warnOfEnd([...path, 'ca'], Math.max(...endsOf(ca)), warn)
  warnOfEnd([...path, 'cert'], endsOf(cert)[0] ?? Number.NEGATIVE_INFINITY, warn)
}

/** When the certificates of a PEM text expire. */
function endsOf(pem: string | undefined): readonly number[] {
  const certificates = pem === undefined ? [] : certificatesOf({ text: pem, shown: '' })
  return typeof certificates === 'string' ? [] : certificates.map(({ validTo }) => Date.parse(validTo))
}

/** @param end not finite: there is no certificate */
function warnOfEnd(path: Path, end: number, warn: Warn): void {
  const expiry = Number.isFinite(end) ? expiryOf(end) : undefined
  if (expiry !== undefined) warn(path, expiry.message)
}

function warnOfHealth(path: Path, { health }: UpstreamConfig, hasTimeout: boolean, warn: Warn): void {
  if (!health.enabled) return
  const { interval, timeout } = health
  if (interval < 500) {
    const message = `probes every backend ${Math.round(1000 / interval)} times per second; use at least 500ms`
    warn([...path, 'interval'], message)
  }
  if (hasTimeout && timeout > interval) {
    const message = `a probe of a backend that hangs takes ${timeout} ms, although the interval is ${interval} ms; use a timeout of at most the interval`
    warn([...path, 'timeout'], message)
  }
}

/** A check by a policy that fetches from backends which expect a header in front of each connection. */
export function warnOfFetch(
  { policy, level, name, path, probed }: Attachment,
  facts: PolicyFacts | undefined,
  config: Config,
  warn: Warn,
): void {
  if (level !== 'upstream' || !probed || config.upstreams[name]?.proxyProtocol === undefined) return
  const manifest = facts?.plugin.manifest
  if (!manifest?.hooks.includes('checkHealth') || !manifest.needs.includes('fetch')) return
  warn(path, `fetches of policy "${policy}" send no PROXY protocol header, which these backends expect`)
}

/** A policy that chooses among the backends of its upstream, of which there is one. */
export function warnOfChoice(
  { policy, level, name, path }: Attachment,
  facts: PolicyFacts | undefined,
  config: Config,
  warn: Warn,
): void {
  if (level !== 'upstream' || !facts?.plugin.manifest.hooks.includes('selectBackend')) return
  if (config.upstreams[name]?.backends.length !== 1) return
  warn(path, `policy "${policy}" chooses a backend, but this upstream has only one`)
}
