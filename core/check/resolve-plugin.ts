import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { displayName } from '../config/source.ts'
import { didYouMean } from '../config/suggest.ts'
import { asObject, asText, member } from '../config/untyped.ts'
import { packageRoot } from '../package-root.ts'
import { isFileSource } from './formats.ts'

/** Where a plugin's code is, and its publisher. */
export interface PluginPlace {
  /** Absolute, symbolic links resolved. */
  readonly file: string
  /** The plugin's own folder: that of the file, or that of the package. */
  readonly root: string
  /** `postern` for those of this package, `local` for files, otherwise a package's `@scope` or name. */
  readonly publisher: string
}

/** A `.ts` file in the repository, a `.js` file in an installed package; the plugins beside it have the same extension. */
const self: string = fileURLToPath(import.meta.url)

/** Folder of the plugins that come with Postern. */
export const ownPlugins: string = resolve(dirname(self), '../../plugins')

/**
 * Finds the code for a policy's `plugin`: an entry of `plugins` that names a source, `plugins/<name>/` beside the
 * configuration, a plugin of this package. A name that is found in two different places is a problem, because the
 * configuration does not tell which one is meant.
 *
 * @param folder that of the configuration
 */
export function resolvePlugin(
  name: string,
  folder: string,
  source: string | undefined,
  entries: readonly string[],
): PluginPlace | { problem: string } {
  const found: PluginPlace[] = []
  if (source !== undefined) {
    const place = resolveSource(source, folder)
    if ('problem' in place) return place
    found.push(place)
  }
  const local = isOwn(folder) ? undefined : indexFile(join(folder, 'plugins', name), ['.ts', '.js'])
  if (local !== undefined) found.push(placeOf(local, 'local'))
  const own = indexFile(join(ownPlugins, name), [extname(self)])
  if (own !== undefined) found.push(placeOf(own, 'postern'))
  const places = new Map(found.map((place) => [place.file, place]))
  const [first, second] = places.values()
  if (first === undefined) {
    const known = [...entries, ...pluginNames(join(folder, 'plugins')), ...pluginNames(ownPlugins)]
    return { problem: `there is no plugin "${name}"${didYouMean(name, new Set(known))}` }
  }
  if (second === undefined) return first
  const both = `${displayName(first.file)} and ${displayName(second.file)}`
  return { problem: `the plugin "${name}" exists twice, as ${both}; rename or remove one` }
}

/** Finds the code that an entry of `plugins` names. */
export function resolveSource(source: string, folder: string): PluginPlace | { problem: string } {
  if (!isFileSource(source)) return findPackage(source, folder)
  const path = resolve(folder, source)
  const file = isFile(path) ? realpathSync(path) : indexFile(path, ['.ts', '.js'])
  return file === undefined ? { problem: `the file ${displayName(path)} does not exist` } : placeOf(file, 'local')
}

function placeOf(file: string, publisher: string): PluginPlace {
  return { file, root: dirname(file), publisher }
}

/** Names of the plugins in a folder of plugins. */
export function pluginNames(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter((name) => indexFile(join(folder, name), ['.ts', '.js']) !== undefined)
}

/** True for the repository itself, whose `plugins` are the plugins that come with Postern. */
function isOwn(folder: string): boolean {
  return existsSync(folder) && realpathSync(folder) === realpathSync(packageRoot)
}

/** The code in a plugin's folder; a source takes precedence over the code built from it. */
function indexFile(folder: string, extensions: readonly string[]): string | undefined {
  const file = extensions.map((extension) => join(folder, `index${extension}`)).find(isFile)
  return file === undefined ? undefined : realpathSync(file)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

/**
 * Finds the plugin file of an installed npm package: its `postern` field, else its `exports` or `main`. Reads files
 * only; no code of the package runs.
 *
 * @param folder where to look for `node_modules`, and in all folders above it
 */
function findPackage(name: string, folder: string): PluginPlace | { problem: string } {
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
): PluginPlace | { problem: string } {
  const { postern, exports, main } = manifest
  const exported = member(asObject(exports), '.') ?? exports
  const entry =
    asText(postern) ?? asText(asObject(postern).plugin) ?? conditional(exported) ?? asText(main) ?? 'index.js'
  const file = join(root, entry)
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    return { problem: `the package "${name}" has no file ${entry}; is it a Postern plugin?` }
  }
  const publisher = name.startsWith('@') ? name.slice(0, name.indexOf('/')) : name
  return { file: realpathSync(file), root: realpathSync(root), publisher }
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
