import { harden } from './harden.ts'
import { encodeThrown } from './thrown.ts'

/** What a plugin object says of itself, as JSON for the host to check; begins with the error code when it cannot be read. */
export function describePlugin(plugin: unknown): string {
  try {
    if (typeof plugin !== 'object' || plugin === null)
      return JSON.stringify({ kind: plugin === null ? 'null' : typeof plugin })
    const { name, description, options, needs } = plugin as Record<string, unknown>
    const members: [string, string][] = []
    for (const key of Object.keys(plugin)) members.push([key, typeof (plugin as Record<string, unknown>)[key]])
    return JSON.stringify({ kind: 'object', name, description, options, needs, members })
  } catch (thrown) {
    return encodeThrown(thrown)
  }
}

/** `reads` and `writes` for these options (JSON), as JSON for the host to check, or an error. */
export function describeScopes(plugin: object, options: string): string {
  try {
    const hardened = harden(JSON.parse(options))
    const { reads = [], writes = [] } = plugin as Record<string, unknown>
    return JSON.stringify({
      reads: typeof reads === 'function' ? reads(hardened) : reads,
      writes: typeof writes === 'function' ? writes(hardened) : writes,
    })
  } catch (thrown) {
    return encodeThrown(thrown)
  }
}
