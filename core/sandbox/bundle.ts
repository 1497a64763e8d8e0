import { createHash } from 'node:crypto'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import type { BuildFailure, Message, Plugin } from 'esbuild'
import { openInspector } from './inspect.ts'
import type { PluginCode } from './plugin.ts'
import { PluginBuildError } from './plugin-build-error.ts'

/**
 * Results by file, publisher and hash: reading a manifest costs an isolate, and the same code has the same manifest.
 */
const known = new Map<string, PluginCode>()

/**
 * Bundles a plugin to one script and reads its manifest, in a throw-away isolate.
 *
 * @param file entry file, `.ts` or `.js`; its default export is the plugin.
 * @param publisher see `PluginCode`.
 * @throws {PluginBuildError} when bundling fails, the module throws on start, or the default export is not a valid
 *   plugin.
 */
export async function bundlePlugin(file: string, publisher: string): Promise<PluginCode> {
  const path = resolve(file)
  const { script, map } = await bundle(path)
  const hash = createHash('sha256').update(script).digest('hex')
  const key = JSON.stringify([path, publisher, hash])
  let code = known.get(key)
  if (code === undefined) {
    const inspector = openInspector(script, { file: path, map })
    const { manifest } = inspector
    inspector.close()
    code = { name: manifest.name, file: path, publisher, script, map, hash, manifest }
    if (known.size >= 1_000) known.clear()
    known.set(key, code)
  }
  return code
}

async function bundle(path: string): Promise<{ script: string; map: string }> {
  // Loaded on first use: a worker that has adopted a runtime never bundles.
  const { build } = await import('esbuild')
  try {
    const { outputFiles } = await build({
      entryPoints: [path],
      // In the folder of the entry file, so that the map names the sources relative to it. No file is written.
      outfile: join(dirname(path), 'bundle.js'),
      absWorkingDir: process.cwd(),
      bundle: true,
      write: false,
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
      plugins: [onlyTheSdk],
    })
    const text = (end: string): string => outputFiles.find((output) => output.path.endsWith(end))!.text
    return { script: text('.js'), map: text('.map') }
  } catch (error) {
    const { errors } = error as BuildFailure
    if (!Array.isArray(errors)) throw error
    throw new PluginBuildError(errors.map((message) => line(message, path)))
  }
}

function line({ text, location }: Message, path: string): string {
  if (location === null) return `${relative(process.cwd(), path)}:1:1: ${text}`
  return `${location.file}:${location.line}:${location.column + 1}: ${text}`
}

/** Resolves `postern/sdk` to what the host injects, and refuses imports that do not exist inside an isolate. */
const onlyTheSdk: Plugin = {
  name: 'postern',
  setup(builder) {
    builder.onResolve({ filter: /.*/ }, ({ path, kind }) => {
      if (kind === 'dynamic-import') {
        return refuse(`import(${JSON.stringify(path)}): a plugin is one script; use a static import`)
      }
      if (path === 'postern/sdk') return { path, namespace: 'postern' }
      if (path === 'postern' || path.startsWith('postern/'))
        return refuse(`a plugin may import "postern/sdk" only, not "${path}"`)
      if (isBuiltin(path)) {
        return refuse(`"${path}" is a Node module, which plugins cannot import; a grant in \`needs\` may do the same`)
      }
      return undefined
    })
    builder.onLoad({ filter: /.*/, namespace: 'postern' }, () => ({
      contents: 'export const { definePlugin, reply } = globalThis.__postern',
    }))
  },
}

function refuse(text: string): { errors: { text: string }[] } {
  return { errors: [{ text }] }
}
