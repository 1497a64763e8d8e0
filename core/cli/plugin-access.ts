import { accessOf } from '../check/allow.ts'
import type { CheckedConfig } from '../config/checked.ts'
import { displayName } from '../config/source.ts'

/** What a plugin may do: everything that its policies declare. */
export interface PluginAccess {
  readonly plugin: string
  /** As `Problem.file`. */
  readonly file: string
  readonly policies: readonly string[]
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  /** Grants. */
  readonly needs: readonly string[]
  /** Origins that its grants may reach. */
  readonly fetch: readonly string[]
}

/** The plugins of a configuration, in the order of their names. */
export function pluginAccess({ policies }: CheckedConfig): readonly PluginAccess[] {
  const byPlugin = Map.groupBy(policies.values(), ({ plugin }) => plugin.name)
  return [...byPlugin]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([plugin, all]) => ({
      plugin,
      file: displayName(all[0]!.plugin.file),
      policies: all.map(({ name }) => name),
      reads: union(all.map(({ plugin: { manifest }, scopes }) => accessOf(manifest, scopes).reads)),
      writes: union(all.map(({ scopes }) => scopes.writes)),
      needs: union(all.map(({ plugin: { manifest } }) => manifest.needs)),
      fetch: union(all.map(({ fetch }) => fetch.map(({ origin }) => origin))),
    }))
}

function union(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].sort()
}
