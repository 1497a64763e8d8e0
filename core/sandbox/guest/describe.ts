import { harden } from './harden.ts'
import { encodeThrown } from './thrown.ts'

/** A plugin object's declarations, as JSON for the host to check, or an encoded error when they cannot be read. */
export function describePlugin(plugin: unknown): string {
  try {
    if (typeof plugin !== 'object' || plugin === null)
      return JSON.stringify({ kind: plugin === null ? 'null' : typeof plugin })
    const { name, description, options, needs, answers } = plugin as Record<string, unknown>
    const members: [string, string][] = []
    for (const key of Object.keys(plugin)) members.push([key, typeof (plugin as Record<string, unknown>)[key]])
    return JSON.stringify({ kind: 'object', name, description, options, needs, answers, members })
  } catch (thrown) {
    return encodeThrown(thrown)
  }
}

/** `reads`, `writes` and `when` for these options (JSON), as JSON for the host to check, or an encoded error. */
export function describeScopes(plugin: object, options: string): string {
  try {
    const hardened = harden(JSON.parse(options))
    const { reads = [], writes = [], when } = plugin as Record<string, unknown>
    return JSON.stringify({
      reads: typeof reads === 'function' ? reads(hardened) : reads,
      writes: typeof writes === 'function' ? writes(hardened) : writes,
      when: typeof when === 'function' ? when(hardened) : when,
    })
  } catch (thrown) {
    return encodeThrown(thrown)
  }
}
