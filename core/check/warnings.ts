import { availableParallelism, totalmem } from 'node:os'
import type { Path, Problem } from '../config/problem.ts'
import { Problems } from '../config/problems.ts'
import { listenerProtocols } from '../config/protocols.ts'
import type { Secrets } from '../config/secrets.ts'
import type { Config } from '../config/types.ts'
import type { Attachment } from './attachments.ts'
import type { Draft } from './draft.ts'
import { findHazards, type Hazard } from './hazards.ts'
import { idleHooks } from './layers.ts'
import type { PolicyFacts } from './plugins.ts'
import { warnOfRoutes } from './route-warnings.ts'
import { warnOfTls } from './tls-warnings.ts'
import { warnOfChoice, warnOfFetch, warnOfUpstreams } from './upstream-warnings.ts'

/**
 * What is valid in a configuration, but most likely not intended.
 *
 * @param known what was found while files were read
 */
export function findWarnings(
  { source }: Draft,
  config: Config,
  attachments: readonly Attachment[],
  facts: ReadonlyMap<string, PolicyFacts>,
  secrets: Secrets,
  known: readonly Hazard[],
): readonly Problem[] {
  const warnings = new Problems(secrets)
  const warn = (path: Path, message: string): void => warnings.add(source, path, message)
  const routes = Object.values(config.routes)
  for (const { path, message } of known) warn(path, message)

  for (const [name, { protocol, proxyProtocol }] of Object.entries(config.listeners)) {
    for (const [index, range] of (proxyProtocol?.from ?? []).entries()) {
      if (!range.endsWith('/0')) continue
      const message = 'anybody may name any address as that of the client; list only the addresses of the proxies'
      warn(['listeners', name, 'proxyProtocol', 'from', index], message)
    }
    if (routes.some((route) => route.listener === name)) continue
    warn(['listeners', name], `no route uses this listener, so ${listenerProtocols[protocol].unrouted}`)
  }

  const chosen = new Set([
    ...routes.map((route) => route.upstream),
    ...[...facts.values()].flatMap((policy) => policy.upstreams),
  ])
  for (const name of Object.keys(config.upstreams)) {
    if (!chosen.has(name)) warn(['upstreams', name], 'unused: no route and no policy option names this upstream')
  }
  warnOfUpstreams(config, source, warn)

  for (const [name, { plugin, fetch }] of facts) {
    if (fetch.length > 0 || !plugin.manifest.needs.includes('fetch')) continue
    // A check of a backend may reach that backend.
    if (plugin.manifest.hooks.includes('checkHealth')) continue
    const entry = `"fetch" in plugins.${config.policies[name]?.plugin ?? plugin.name}`
    warn(['policies', name], `its plugin needs fetch, but no origin is allowed; list the allowed origins as ${entry}`)
  }
  for (const name of facts.keys()) {
    if (attachments.some((attachment) => attachment.policy === name)) continue
    warn(['policies', name], 'this policy is not attached to anything, so it never runs')
  }
  for (const attachment of attachments) {
    const policy = facts.get(attachment.policy)
    warnOfChoice(attachment, policy, config, warn)
    warnOfFetch(attachment, policy, config, warn)
    warnOfTls(attachment, policy, config, warn)
    const idle = policy === undefined ? [] : idleHooks(attachment, policy)
    if (idle.length === 0) continue
    warn(
      attachment.path,
      `policy "${attachment.policy}" only observes here; its ${idle.join(', ')} never ${idle.length === 1 ? 'runs' : 'run'}`,
    )
  }
  const memory = memoryProblem(config.workers, facts, hostMemory())
  if (memory !== undefined) warn(['plugins'], memory)
  for (const { path, message } of findHazards(config, facts)) warn(path, message)
  warnOfRoutes(config, source.keysOf(['routes']), warn)
  return warnings.list
}

/** Memory of the host, or the limit of the process's control group if lower, MB. */
function hostMemory(): number {
  const constrained = process.constrainedMemory()
  return Math.min(totalmem(), constrained > 0 ? constrained : Number.POSITIVE_INFINITY) / 2 ** 20
}

/**
 * Whether the host has the memory for all isolates of the configuration at their limits; the warning when it does not.
 *
 * @param host see `hostMemory`.
 */
export function memoryProblem(
  workers: Config['workers'],
  facts: ReadonlyMap<string, PolicyFacts>,
  host: number,
): string | undefined {
  const groups = Map.groupBy(facts.values(), ({ group }) => group)
  // A shared isolate has the largest limit of its plugins.
  const heaps = [...groups.values()].map((members) => Math.max(...members.map(({ limits }) => limits.memory)))
  const processes = workers === 'auto' ? availableParallelism() : workers
  const heap = heaps.reduce((sum, size) => sum + size, 0)
  if (heap * processes <= host) return undefined
  const isolates = heaps.length === 1 ? 'the isolate' : `the ${heaps.length} isolates`
  const each = processes === 1 ? 'the worker' : `each of the ${processes} workers`
  return (
    `${isolates} of ${each} may use ${round(heap)} MB, ${round(heap * processes)} MB in total, but the host has only ` +
    `${round(host)} MB; lower limits.memory or the number of workers`
  )
}

function round(size: number): string {
  return String(Math.round(size))
}
