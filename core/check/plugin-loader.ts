import { bundlePlugin } from '../sandbox/bundle.ts'
import { openInspector } from '../sandbox/inspect.ts'
import type { PluginCode, Scopes } from '../sandbox/plugin.ts'
import type { PluginSource } from '../sandbox/plugin-files.ts'

/** Builds and inspects plugins for the checks, which do not run plugin code themselves. */
export interface PluginLoader {
  /** @throws {PluginBuildError} when the plugin does not build. */
  load(source: PluginSource): Promise<PluginCode>
  /** Reads what the plugin declares for the options of a policy. */
  inspect(plugin: PluginCode): ScopeReader
}

export interface ScopeReader {
  /** @throws {PluginBuildError} when the plugin refuses the options; the message says why. */
  scopes(options: unknown): Scopes
  close(): void
}

/** Builds plugins with the sandbox's bundler and inspects them in an isolate that is used only once. */
export const sandboxLoader: PluginLoader = {
  load: bundlePlugin,
  inspect: (plugin) => openInspector(plugin.script, plugin),
}
