import { bundlePlugin } from '../sandbox/bundle.ts'
import { openInspector } from '../sandbox/inspect.ts'
import type { PluginLoader } from './plugin-loader.ts'

/** Builds plugins with the sandbox's bundler and reads them in an isolate that is thrown away. */
export const sandboxLoader: PluginLoader = {
  load: bundlePlugin,
  inspect: (plugin) => openInspector(plugin.script, plugin),
}
