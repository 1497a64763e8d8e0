// A process that runs a plugin as a worker does, with a runtime that another process has bundled. It records every
// module it loads.
import { once } from 'node:events'
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { Instance } from '../../core/sandbox/plugin.ts'
import type { Runtime } from '../../core/sandbox/runtime.ts'

export interface Order {
  /** Files to import first. */
  readonly modules: readonly string[]
  readonly runtime: Runtime
  readonly instances: readonly Instance[]
  /** Entry file of a plugin to bundle last. */
  readonly plugin: string
}

/** URLs of the modules loaded so far: after one call of the first instance, and after the plugin was bundled. */
export interface Loaded {
  readonly verdict: string
  readonly running: readonly string[]
  readonly bundling: readonly string[]
}

const urls = new Set<string>()
registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context)
    urls.add(resolved.url)
    return resolved
  },
})

const [order] = (await once(process, 'message')) as [Order]
for (const file of order.modules) await import(pathToFileURL(file).href)
const { adoptRuntime } = await import('../../core/sandbox/runtime.ts')
const { createSandbox } = await import('../../core/sandbox/sandbox.ts')
const { createGrantHost } = await import('../../core/grants/grant-host.ts')
const { callOf } = await import('./harness.ts')

adoptRuntime(order.runtime)
const sandbox = createSandbox({ instances: order.instances, grants: createGrantHost() })
const verdict = await new Promise<string>((resolve) => {
  sandbox.call(callOf(0, ['/x'], ({ kind }) => resolve(kind)))
})
sandbox.close()
const running = [...urls]

const { bundlePlugin } = await import('../../core/sandbox/bundle.ts')
await bundlePlugin({ file: order.plugin, publisher: 'local' })
const loaded: Loaded = { verdict, running, bundling: [...urls] }
process.send!(loaded, undefined, undefined, () => process.exit(0))
