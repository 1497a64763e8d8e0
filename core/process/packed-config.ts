import type { CheckedConfig } from '../config/checked.ts'

/** A section that may have thousands of entries: the JSON of each entry, by name. */
export type PackedSection = ReadonlyMap<string, string>

/**
 * A checked configuration in the form in which processes exchange it. The long sections stay JSON text: the supervisor
 * only compares them, and a worker receives and parses only the entries that are new or changed for it.
 */
export interface PackedConfig {
  readonly ok: true
  /** The configuration with its long sections empty. */
  readonly rest: CheckedConfig
  readonly routes: PackedSection
  readonly upstreams: PackedSection
  /** Number of routes of each listener. */
  readonly routeCounts: ReadonlyMap<string, number>
  /** Addresses of the backends of each upstream, so that the supervisor need not parse upstreams to know them. */
  readonly addresses: ReadonlyMap<string, ReadonlySet<string>>
}

/** Packs a configuration. Routes and upstreams become JSON, which leaves out members that are undefined. */
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
