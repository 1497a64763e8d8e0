import type { CheckedConfig } from '../config/checked.ts'
import { changesBetween } from './config-changes.ts'
import type { PackedConfig } from './packed-config.ts'

/** Names that are listed; a log line must not hold ten thousand routes. */
const most = 20

/**
 * What differs between two configurations: paths such as `routes.orders` or `drain`, at most 20 and then how many more
 * there are. A plugin whose code has changed is listed as the policies that use it.
 */
export function changedNames(before: PackedConfig, after: PackedConfig): string[] {
  const { routes, upstreams } = changesBetween(before, after)
  const old = before.rest.config
  const now = after.rest.config
  const names = [
    ...differing('listeners', old.listeners, now.listeners),
    ...[...routes.gone, ...routes.set.flatMap(namesIn)].map((name) => `routes.${name}`),
    ...[...upstreams.gone, ...upstreams.set.flatMap(namesIn)].map((name) => `upstreams.${name}`),
    ...differing('policies', policiesOf(before.rest), policiesOf(after.rest)),
    ...differing('plugins', old.plugins, now.plugins),
    ...differing('', others(old), others(now)),
  ]
  return names.length > most ? [...names.slice(0, most), `and ${names.length - most} more`] : names
}

function namesIn(entries: string): string[] {
  return Object.keys(JSON.parse(entries) as object)
}

/** The configured policies, each with the code that it runs. */
function policiesOf({ config, policies }: CheckedConfig): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config.policies).map(([name, policy]) => [name, [policy, policies.get(name)?.plugin.hash]]),
  )
}

/** Everything that has no list of its own. */
function others(config: CheckedConfig['config']): Record<string, unknown> {
  const { listeners: _l, routes: _r, upstreams: _u, policies: _p, plugins: _g, acme: _a, ...rest } = config
  return rest
}

function differing(
  section: string,
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])]
  const changed = names.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]))
  return changed.map((name) => (section === '' ? name : `${section}.${name}`))
}
