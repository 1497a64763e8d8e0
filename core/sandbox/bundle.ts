import { createHash } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { boundary, type NodeUse } from './bundle-boundary.ts'
import { build } from './bundler.ts'
import { openInspector } from './inspect.ts'
import type { PluginCode } from './plugin.ts'
import { PluginBuildError } from './plugin-build-error.ts'
import { PluginFiles, type PluginSource } from './plugin-files.ts'

/**
 * Results by file, publisher and hash: reading a manifest costs an isolate, and the same code has the same manifest.
 */
const known = new Map<string, PluginCode>()

/**
 * Bundles a plugin to one script and reads its manifest, in a throw-away isolate.
 *
 * @throws {PluginBuildError} when bundling fails, the module throws on start, or the default export is not a valid
 *   plugin.
 */
export async function bundlePlugin(source: PluginSource): Promise<PluginCode> {
  const { publisher } = source
  const file = resolve(source.file)
  const { script, map } = await bundle({ ...source, file })
  const hash = createHash('sha256').update(script).digest('hex')
  const key = JSON.stringify([file, publisher, hash])
  let code = known.get(key)
  if (code === undefined) {
    const inspector = openInspector(script, { file, map })
    const { manifest, startTime } = inspector
    inspector.close()
    code = { name: manifest.name, file, publisher, script, map, hash, manifest, startTime }
    if (known.size >= 1_000) known.clear()
    known.set(key, code)
  }
  return code
}

async function bundle(source: PluginSource): Promise<{ script: string; map: string }> {
  const uses: NodeUse[] = []
  const first = await build(optionsOf(source, uses, []), source.file)
  // Again, so that the import of such a package in the plugin's own code is what the problem points at.
  const { outputs, problems } = uses.length === 0 ? first : await build(optionsOf(source, [], uses), source.file)
  if (problems.length > 0) throw new PluginBuildError(problems)
  const text = (end: string): string => outputs.find((output) => output.path.endsWith(end))!.text
  return { script: text('.js'), map: text('.map') }
}

function optionsOf(source: PluginSource, uses: NodeUse[], refused: readonly NodeUse[]): Parameters<typeof build>[0] {
  return {
    entryPoints: [source.file],
    // In the folder of the entry file, so that the map names the sources relative to it. No file is written.
    outfile: join(dirname(source.file), 'bundle.js'),
    absWorkingDir: process.cwd(),
    bundle: true,
    format: 'iife',
    globalName: '__plugin',
    target: 'esnext',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    sourcemap: 'external',
    sourcesContent: false,
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: '{}',
    logLevel: 'silent',
    banner: { js: '__postern.start(() => {"use strict";' },
    footer: { js: 'return __plugin.default})' },
    plugins: [boundary(new PluginFiles(source), uses, refused)],
  }
}
