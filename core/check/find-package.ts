import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { asObject, asText, member } from '../config/untyped.ts'

/**
 * Finds the plugin file of an installed npm package: what its `postern` field names, else its `exports` or `main`. Only
 * files are read, nothing of the package runs.
 *
 * @param folder where to look for `node_modules`, and in all folders above it
 */
export function findPackage(name: string, folder: string): { file: string; publisher: string } | { problem: string } {
  for (let at = folder; ; at = dirname(at)) {
    const root = join(at, 'node_modules', name)
    const manifest = readManifest(join(root, 'package.json'))
    if (manifest !== undefined) return entryOf(name, root, manifest)
    if (dirname(at) === at) return { problem: `the package "${name}" is not installed; run npm install ${name}` }
  }
}

function readManifest(file: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return asObject(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return undefined
  }
}

function entryOf(
  name: string,
  root: string,
  manifest: Readonly<Record<string, unknown>>,
): { file: string; publisher: string } | { problem: string } {
  const { postern, exports, main } = manifest
  const exported = member(asObject(exports), '.') ?? exports
  const entry =
    asText(postern) ?? asText(asObject(postern).plugin) ?? conditional(exported) ?? asText(main) ?? 'index.js'
  const file = join(root, entry)
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    return { problem: `the package "${name}" has no file ${entry}; is it a plugin of Postern?` }
  }
  return { file: realpathSync(file), publisher: name.startsWith('@') ? name.slice(0, name.indexOf('/')) : name }
}

function conditional(exported: unknown): string | undefined {
  if (typeof exported === 'string') return exported
  for (const [condition, value] of Object.entries(asObject(exported))) {
    if (condition !== 'import' && condition !== 'default') continue
    const entry = conditional(value)
    if (entry !== undefined) return entry
  }
  return undefined
}
