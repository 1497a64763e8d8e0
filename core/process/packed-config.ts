import type { CheckedConfig } from '../config/checked.ts'

/** A section that may have thousands of entries: each as JSON, by name. */
export type PackedSection = ReadonlyMap<string, string>

/**
 * A checked configuration on its way from process to process. Its long sections stay text until a worker wants them: the
 * supervisor only compares them, and a worker is sent what is new to it.
 */
export interface PackedConfig {
  readonly ok: true
  /** All but the long sections, which are empty in it. */
  readonly rest: CheckedConfig
  readonly routes: PackedSection
  readonly upstreams: PackedSection
  /** How many routes each listener has. */
  readonly routeCounts: ReadonlyMap<string, number>
  /** Addresses of the backends of each upstream: the supervisor needs them and must not parse upstreams for it. */
  readonly addresses: ReadonlyMap<string, ReadonlySet<string>>
}

/** Routes and upstreams are JSON data: what is undefined in them is absent. */
export function packConfig(checked: CheckedConfig): PackedConfig {
  const { routes, upstreams } = checked.config
  const routeCounts = new Map<string, number>()
  for (const { listener } of Object.values(routes)) routeCounts.set(listener, (routeCounts.get(listener) ?? 0) + 1)
  return {
    ok: true,
    rest: { ...checked, config: { ...checked.config, routes: {}, upstreams: {} } },
    routes: pack(routes),
    upstreams: pack(upstreams),
    routeCounts,
    addresses: new Map(
      Object.entries(upstreams).map(([name, { backends }]) => [name, new Set(backends.map(({ address }) => address))]),
    ),
  }
}

function pack(section: Readonly<Record<string, unknown>>): PackedSection {
  return new Map(Object.entries(section).map(([name, entry]) => [name, JSON.stringify(entry)]))
}
