import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync } from 'node:fs'
import { dirname, extname, join, relative, sep } from 'node:path'

/** A plugin's code: where it begins, and where it ends. */
export interface PluginSource {
  /** Entry file, `.ts` or `.js`; its default export is the plugin. */
  readonly file: string
  /** See `PluginCode`. */
  readonly publisher: string
  /** The plugin's own folder. Default: that of the entry file. */
  readonly root?: string
  /** Default: everything in the plugin's folder may be part of it. */
  readonly keptOut?: KeptOut
}

/** What no plugin may contain, although it may lie in the plugin's folder. */
export interface KeptOut {
  /** Folder of the configuration: a folder that contains it is no plugin's own, so it gives scripts and no data. */
  readonly folder: string
  /** Files and folders. */
  readonly paths: readonly string[]
}

/** Contents of a file, and how to read them. */
export interface PluginFile {
  readonly contents: Buffer
  readonly loader: 'ts' | 'js' | 'json'
}

export interface Refused {
  readonly problem: string
}

/** How files are read, by the end of their names. Anything else is not code. */
const loaders: Readonly<Record<string, PluginFile['loader']>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.json': 'json',
}

/** Bounds of one plugin: bytes of a file, bytes of all files, number of files. */
const largestFile = 4 * 2 ** 20
const largestPlugin = 16 * 2 ** 20
const mostFiles = 2_000

/** A package.json is read before its package belongs to the plugin. */
const largestManifest = 2 ** 20

/**
 * The files that one plugin may consist of: those in its own folder, and those of packages that it imports. Bundling is
 * the plugin's first access to the host, and everything that gets into the script can leave the gateway again with a
 * reply. So each path is resolved to the file behind it, and only regular files of code and data are read.
 */
export class PluginFiles {
  /** Real paths. */
  readonly #roots: string[]
  readonly #keptOut: KeptOut | undefined
  /** Those of the files that are kept out: a hard link is another name of one. */
  readonly #identities: ReadonlySet<string>
  readonly #read = new Set<string>()
  #size = 0

  constructor({ file, root, keptOut }: PluginSource) {
    this.#roots = [real(root ?? dirname(file)) ?? dirname(file)]
    this.#keptOut = keptOut && {
      folder: real(keptOut.folder) ?? keptOut.folder,
      paths: keptOut.paths.map((path) => real(path) ?? path),
    }
    this.#identities = new Set(this.#keptOut?.paths.map(identityOf))
  }

  /** Whether a file is one of the plugin's own, and not one of a package. */
  isOwn(path: string): boolean {
    return this.#rootOf(path) === this.#roots[0]
  }

  /** Makes the package that a bare import resolves to a part of the plugin. @returns its folder. */
  addPackage(name: string, importer: string): string | Refused {
    for (let at = dirname(importer); ; at = dirname(at)) {
      const folder = real(join(at, 'node_modules', name))
      if (folder !== undefined) {
        const said = readName(join(folder, 'package.json'))
        if (said !== name) {
          const found = said === undefined ? 'has no package.json with a name' : `is the package "${said}"`
          return { problem: `"${name}" cannot be used: its folder ${found}` }
        }
        if (this.#keptOut !== undefined && contains(folder, this.#keptOut.folder)) {
          return { problem: `"${name}" cannot be used: its folder contains the configuration` }
        }
        if (!this.#roots.includes(folder)) this.#roots.push(folder)
        return folder
      }
      if (dirname(at) === at) return { problem: `the package "${name}" is not installed` }
    }
  }

  /** What is wrong with a file of the plugin; `undefined` when it may be read. */
  problemOf(path: string): string | undefined {
    const file = real(path)
    if (file === undefined) return 'the file does not exist'
    const root = this.#rootOf(file)
    if (root === undefined) {
      return "it is outside of the plugin's folder; a plugin consists of the files in its own folder and of packages"
    }
    const loader = loaders[extname(file)]
    if (loader === undefined) return `a plugin consists of ${Object.keys(loaders).join(', ')} files`
    const inside = relative(root, file)
    if (inside.split(sep).some((part) => part.startsWith('.'))) return 'a name that begins with a dot is not code'
    const { folder, paths = [] } = this.#keptOut ?? {}
    if (paths.some((kept) => contains(kept, file)) || this.#identities.has(identityOf(file))) {
      return "the configuration and what it refers to are not part of a plugin's code"
    }
    if (loader === 'json' && folder !== undefined && contains(root, folder)) {
      return 'data in the folder of the configuration is not part of a plugin; move the plugin to a folder of its own'
    }
    return undefined
  }

  /** Reads a file of the plugin. */
  read(path: string): PluginFile | Refused {
    const problem = this.problemOf(path)
    if (problem !== undefined) return { problem }
    const file = realpathSync(path)
    if (!this.#read.has(file)) {
      this.#read.add(file)
      if (this.#read.size > mostFiles) return { problem: `the plugin has more than ${mostFiles} files` }
    }
    const contents = readRegular(file, largestFile)
    if ('problem' in contents) return contents
    this.#size += contents.length
    if (this.#size > largestPlugin) {
      return { problem: `the files of the plugin have more than ${largestPlugin / 2 ** 20} MB together` }
    }
    return { contents, loader: loaders[extname(file)]! }
  }

  /** The innermost of the plugin's folders that contains a file: a package may lie in the plugin's own folder. */
  #rootOf(file: string): string | undefined {
    let innermost: string | undefined
    for (const root of this.#roots) {
      if (contains(root, file) && root.length > (innermost?.length ?? -1)) innermost = root
    }
    return innermost
  }
}

/** Reads without ever waiting: a pipe or a device is refused, and so is a link that has appeared since. */
function readRegular(file: string, most: number): Buffer | Refused {
  if (!lstatSync(file).isFile()) return { problem: 'it is not a regular file' }
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const facts = fstatSync(descriptor)
    if (!facts.isFile()) return { problem: 'it is not a regular file' }
    const buffer = Buffer.alloc(Math.min(facts.size, most) + 1)
    let length = 0
    for (let count = -1; count !== 0 && length < buffer.length; length += count) {
      count = readSync(descriptor, buffer, length, buffer.length - length, null)
    }
    // One more byte than the file has: it is longer than allowed, or not what its size says.
    if (length === buffer.length) return { problem: `it has more than ${Math.min(facts.size, most)} bytes` }
    return buffer.subarray(0, length)
  } finally {
    closeSync(descriptor)
  }
}

/** The name in a package.json; `undefined` when it has no such name. */
function readName(manifest: string): string | undefined {
  try {
    const text = readRegular(manifest, largestManifest)
    if ('problem' in text) return undefined
    const { name } = JSON.parse(text.toString()) as { name?: unknown }
    return typeof name === 'string' ? name : undefined
  } catch {
    return undefined
  }
}

/** The path with all links resolved; `undefined` when nothing is there. */
function real(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

function contains(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

function identityOf(path: string): string {
  const facts = lstatSync(path, { throwIfNoEntry: false })
  return facts === undefined ? '' : `${facts.dev} ${facts.ino}`
}
